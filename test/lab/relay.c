/*
 * A cable with a length: two TAP devices, one in a named network namespace and one in this one; what goes into one
 * comes out of the other so much later. There is no netem in every kernel.
 *
 *   relay NAMESPACE DEVICE_THERE DEVICE_HERE DELAY_MICROSECONDS
 *
 * Prints "ready" when both devices are there, and runs until it is ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* As many packets as a 1 Gbit link has under way in 400 ms. */
enum { ROOM = 32768, MAX_PACKET = 65536, BATCH = 64 };

struct packet {
  long long due;
  int size;
  char bytes[];
};

/* What is on its way to one end, oldest first. */
struct way {
  struct packet *slots[ROOM];
  unsigned head, tail;
};

static struct way ways[2];

static void die(const char *what) {
  fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
  exit(1);
}

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_tap(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) die(name);
  return fd;
}

/* Hands on what is due; answers when the next one is, or -1. */
static long long deliver(struct way *way, int fd, long long at) {
  while (way->head != way->tail) {
    struct packet *first = way->slots[way->head % ROOM];
    if (first->due > at) return first->due;
    /* A device that takes no more loses it, as a full queue does. */
    if (write(fd, first->bytes, first->size) < 0 && errno != EAGAIN && errno != EIO) die("write");
    free(first);
    way->head++;
  }
  return -1;
}

static void take(struct way *way, int fd, long long delay) {
  static char buffer[MAX_PACKET];
  for (int i = 0; i < BATCH; i++) {
    ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 0) return;
    if (way->tail - way->head == ROOM) continue;
    struct packet *packet = malloc(sizeof *packet + size);
    if (packet == NULL) die("memory");
    packet->due = now() + delay;
    packet->size = size;
    memcpy(packet->bytes, buffer, size);
    way->slots[way->tail++ % ROOM] = packet;
  }
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  int ends[2];
  ends[0] = open_tap(argv[3]);
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", argv[1]);
  int namespace = open(path, O_RDONLY | O_CLOEXEC);
  if (namespace < 0 || setns(namespace, CLONE_NEWNET) < 0) die(path);
  ends[1] = open_tap(argv[2]);
  long long delay = atoll(argv[4]) * 1000;
  puts("ready");
  fflush(stdout);
  for (;;) {
    long long at = now(), next = -1;
    for (int i = 0; i < 2; i++) {
      long long due = deliver(&ways[i], ends[!i], at);
      if (due >= 0 && (next < 0 || due < next)) next = due;
    }
    struct pollfd polled[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
    long long left = next < 0 ? 0 : next > at ? next - at : 0;
    struct timespec limit = {left / 1000000000, left % 1000000000};
    if (ppoll(polled, 2, next < 0 ? NULL : &limit, NULL) <= 0) continue;
    for (int i = 0; i < 2; i++)
      if (polled[i].revents & POLLIN) take(&ways[i], ends[i], delay);
  }
}
