/*
 * A TCP relay whose answers share one token bucket, as if the server behind it hung on a link of that speed:
 * nginx's limit_rate is per connection and so says nothing about readers that open several.
 *
 *   limit PORT TO_PORT BYTES_PER_SECOND
 *
 * Two threads a connection: requests pass freely, answers wait for their turn. A turn is taken by moving the
 * time at which the link is free (the virtual scheduling form of the bucket), so turns are first come first
 * served and the rate holds however late a sleeper wakes, up to the burst.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TURN_BYTES = 32 << 10, BURST_NS = 2000000 };

struct link {
  int from, to;
  int limited;
  int *users; /* both directions hold the sockets; the last one out closes them */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int64_t free_at_ns;
static double ns_per_byte;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void wait_turn(size_t bytes) {
  pthread_mutex_lock(&lock);
  int64_t earliest = now_ns() - BURST_NS;
  if (free_at_ns < earliest) free_at_ns = earliest;
  free_at_ns += (int64_t)(bytes * ns_per_byte);
  int64_t until = free_at_ns;
  pthread_mutex_unlock(&lock);
  struct timespec at = {.tv_sec = until / 1000000000ll, .tv_nsec = until % 1000000000ll};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
  }
}

static void *carry(void *argument) {
  struct link *link = argument;
  char *buffer = malloc(TURN_BYTES);
  ssize_t got;
  while ((got = recv(link->from, buffer, TURN_BYTES, 0)) > 0) {
    if (link->limited) wait_turn(got);
    ssize_t sent = 0, step = 1;
    while (sent < got && (step = send(link->to, buffer + sent, got - sent, MSG_NOSIGNAL)) > 0) sent += step;
    if (step <= 0) break;
  }
  shutdown(link->from, SHUT_RD);
  shutdown(link->to, SHUT_WR);
  if (__atomic_sub_fetch(link->users, 1, __ATOMIC_ACQ_REL) == 0) {
    close(link->from);
    close(link->to);
    free(link->users);
  }
  free(buffer);
  free(link);
  return NULL;
}

static void start_carrying(int from, int to, int limited, int *users) {
  struct link *link = malloc(sizeof *link);
  *link = (struct link){from, to, limited, users};
  pthread_t thread;
  if (pthread_create(&thread, NULL, carry, link) != 0) abort();
  pthread_detach(thread);
}

int main(int argc, char **argv) {
  if (argc != 4) return fputs("limit PORT TO_PORT BYTES_PER_SECOND\n", stderr), 1;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  ns_per_byte = 1e9 / atof(argv[3]);
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))}, there = here;
  here.sin_addr.s_addr = there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  there.sin_port = htons(atoi(argv[2]));
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 128)) return perror("limit"), 1;
  for (;;) {
    int client = accept(listener, NULL, NULL);
    if (client < 0) continue;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(server, (struct sockaddr *)&there, sizeof there) != 0) {
      close(client);
      close(server);
      continue;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int *users = malloc(sizeof *users);
    *users = 2;
    start_carrying(client, server, 0, users);
    start_carrying(server, client, 1, users);
  }
}
