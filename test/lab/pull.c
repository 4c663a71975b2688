/*
 * Reads one blob over HTTP/1.1 and compares every byte with the file that it should be, so that a client costs next
 * to nothing and lets no wrong byte through.
 *
 *   pull HOST PORT TARGET FILE IDLE_SECONDS [HEADER ...]
 *
 * The target is sent as it is given. Prints "at N" when N quarters of the blob have arrived, and then a line of JSON
 * about how it ended; the exit code is 0 whatever came of the request.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, PIECE_BYTES = 256 * 1024 };

static double began, first_byte = -1, longest_pause, last_at;
static long long bytes, wrong_at = -1, length = -1;
static int status;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void finish(const char *error) {
  printf("{\"status\":%d,\"bytes\":%lld,\"length\":%lld,\"wrongAt\":%lld,\"seconds\":%.4f,\"firstByteSeconds\":%.4f,"
         "\"longestPauseSeconds\":%.4f,\"error\":\"%s\"}\n",
         status, bytes, length, wrong_at, now() - began, first_byte, longest_pause, error);
  exit(0);
}

static void die(const char *what) {
  fprintf(stderr, "pull: %s: %s\n", what, strerror(errno));
  exit(1);
}

static ssize_t receive(int fd, char *to, size_t room) {
  ssize_t got = recv(fd, to, room, 0);
  if (got < 0) finish(errno == EAGAIN ? "stalled" : errno == ECONNRESET ? "reset" : "receive failed");
  return got;
}

/* Counts a piece of the body, and compares it. */
static void take(const char *piece, size_t size, const char *right, long long right_size) {
  double at = now();
  if (first_byte < 0) first_byte = at - began;
  if (at - last_at > longest_pause) longest_pause = at - last_at;
  last_at = at;
  long long fits = right_size - bytes < (long long)size ? right_size - bytes : (long long)size;
  if (wrong_at < 0 && (fits < (long long)size || memcmp(piece, right + bytes, fits) != 0)) {
    long long same = 0;
    while (same < fits && piece[same] == right[bytes + same]) same++;
    wrong_at = bytes + same;
  }
  int before = bytes * 4 / right_size;
  bytes += size;
  int after = bytes * 4 / right_size;
  if (after > before) printf("at %d\n", after);
}

int main(int argc, char **argv) {
  if (argc < 6) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  int file = open(argv[4], O_RDONLY);
  struct stat facts;
  if (file < 0 || fstat(file, &facts) < 0) die(argv[4]);
  const char *right = mmap(NULL, facts.st_size, PROT_READ, MAP_SHARED, file, 0);
  if (right == MAP_FAILED) die("mmap");

  began = last_at = now();
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval idle = {atoi(argv[5]), 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) finish("not connected");

  static char head[HEAD_BYTES + 1];
  int asked = snprintf(head, HEAD_BYTES, "GET %s HTTP/1.1\r\nConnection: close\r\n", argv[3]);
  for (int i = 6; i < argc; i++) asked += snprintf(head + asked, HEAD_BYTES - asked, "%s\r\n", argv[i]);
  asked += snprintf(head + asked, HEAD_BYTES - asked, "\r\n");
  if (send(fd, head, asked, MSG_NOSIGNAL) != asked) finish("not sent");

  int have = 0;
  char *end = NULL;
  while (end == NULL) {
    if (have == HEAD_BYTES) finish("head too long");
    ssize_t got = receive(fd, head + have, HEAD_BYTES - have);
    if (got == 0) finish("no reply");
    have += got;
    head[have] = 0;
    end = strstr(head, "\r\n\r\n");
  }
  *end = 0;
  end += 4;
  status = atoi(head + 9);
  char *declared = strcasestr(head, "\r\ncontent-length:");
  if (declared != NULL) length = atoll(declared + 17);
  if (status != 200 || length < 0) finish("");

  take(end, head + have - end, right, facts.st_size);
  static char piece[PIECE_BYTES];
  while (bytes < length) {
    ssize_t got = receive(fd, piece, sizeof piece);
    if (got == 0) finish("cut off");
    take(piece, got, right, facts.st_size);
  }
  finish("");
}
