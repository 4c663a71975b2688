/*
 * Reads over HTTP/1.1 keep-alive and throws the bodies away inside the kernel (recv with MSG_TRUNC), so that the
 * client is never what a bench measures. One thread, epoll. Every reply is checked: status, Content-Length and,
 * for a range, Content-Range; anything else ends the program with status 1. Prints one line of JSON.
 *
 *   drain whole  --port P --host H --size BYTES --streams N --repeat K --target T [--target T ...]
 *   drain ranges --port P --host H --size BYTES --connections N --seconds S --span BYTES --target T
 *
 * A target is sent as it is given: a path, or an absolute URL when the port is a proxy's. Stream i reads
 * target i modulo their number.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { MAX_TARGETS = 256, HEAD_BYTES = 4096, STALL_MS = 30000 };

struct conn {
  int fd;
  const char *target;
  long long left;       /* requests still to send; whole mode only */
  long long start;      /* first byte of the range asked for */
  int head_len;         /* bytes of head so far; -1 while in the body */
  long long remaining;  /* body bytes to come */
  int closes;           /* the reply said Connection: close */
  double sent_at;
  char head[HEAD_BYTES];
};

static struct {
  int ranges, port, streams;
  const char *host, *targets[MAX_TARGETS];
  int target_count;
  long long size, span, repeat;
  double seconds;
} opt = {.streams = 1, .repeat = 1, .span = 16384, .seconds = 5};

static int epoll_fd;
static double began, deadline, first_byte = -1;
static long long bytes_total, requests, reconnects;
static float *latencies_ms;
static size_t latency_count, latency_room;
static uint64_t seed = 88172645463325252ull;

static void die(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("drain: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* The same sequence for every server. */
static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static void open_connection(struct conn *c) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(opt.port)};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) die("connect to port %d: %s", opt.port, strerror(errno));
  int one = 1;
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static void send_request(struct conn *c) {
  char request[4096], range[96] = "";
  if (opt.ranges) {
    long long pages = (opt.size - opt.span) / 4096 + 1;
    c->start = (long long)(next_random() % (uint64_t)pages) * 4096;
    snprintf(range, sizeof range, "Range: bytes=%lld-%lld\r\n", c->start, c->start + opt.span - 1);
  }
  int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: drain\r\n%s\r\n",
                        c->target, opt.host, range);
  c->head_len = 0;
  c->closes = 0;
  c->sent_at = now();
  if (send(c->fd, request, length, MSG_NOSIGNAL) != length) die("send: %s", strerror(errno));
}

static const char *find_header(const char *head, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':')
      return line + 3 + length + strspn(line + 3 + length, " ");
  return NULL;
}

static void check_head(struct conn *c) {
  long long expected = opt.ranges ? opt.span : opt.size;
  int status = 0;
  if (sscanf(c->head, "HTTP/1.1 %d", &status) != 1 || status != (opt.ranges ? 206 : 200))
    die("unexpected reply to %s:\n%s", c->target, c->head);
  const char *length = find_header(c->head, "Content-Length");
  if (!length || atoll(length) != expected)
    die("Content-Length of %s should be %lld:\n%s", c->target, expected, c->head);
  if (opt.ranges) {
    char wanted[96];
    snprintf(wanted, sizeof wanted, "bytes %lld-%lld/%lld", c->start, c->start + opt.span - 1, opt.size);
    const char *got = find_header(c->head, "Content-Range");
    if (!got || strncmp(got, wanted, strlen(wanted)) != 0) die("Content-Range should be %s:\n%s", wanted, c->head);
  }
  const char *connection = find_header(c->head, "Connection");
  c->closes = connection && strncasecmp(connection, "close", 5) == 0;
  c->remaining = expected;
}

static void note_latency(double seconds) {
  if (latency_count == latency_room) {
    latency_room = latency_room ? latency_room * 2 : 1 << 20;
    latencies_ms = realloc(latencies_ms, latency_room * sizeof *latencies_ms);
  }
  latencies_ms[latency_count++] = (float)(seconds * 1e3);
}

/* Returns 0 when this connection has no more to ask. */
static int finish_reply(struct conn *c) {
  double at = now();
  note_latency(at - c->sent_at);
  requests++;
  bytes_total += opt.ranges ? opt.span : opt.size;
  if (opt.ranges ? at >= deadline : --c->left == 0) {
    close(c->fd);
    return 0;
  }
  if (c->closes) {
    close(c->fd);
    open_connection(c);
    reconnects++;
  }
  send_request(c);
  return 1;
}

static int on_readable(struct conn *c) {
  if (c->head_len >= 0) {
    ssize_t got = recv(c->fd, c->head + c->head_len, HEAD_BYTES - 1 - c->head_len, 0);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) die("connection lost before the head of %s: %s", c->target, got ? strerror(errno) : "closed");
    if (first_byte < 0) first_byte = now() - began;
    c->head_len += got;
    c->head[c->head_len] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) {
      if (c->head_len == HEAD_BYTES - 1) die("head of more than %d bytes", HEAD_BYTES);
      return 1;
    }
    long long early = c->head + c->head_len - (end + 4);
    end[2] = 0;
    check_head(c);
    c->remaining -= early;
    c->head_len = -1;
  } else {
    ssize_t got = recv(c->fd, NULL, c->remaining < (1 << 30) ? c->remaining : 1 << 30, MSG_TRUNC);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) die("%s broke off %lld bytes early: %s", c->target, c->remaining, got ? strerror(errno) : "closed");
    c->remaining -= got;
  }
  if (c->remaining < 0) die("more bytes than Content-Length from %s", c->target);
  return c->remaining > 0 ? 1 : finish_reply(c);
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void parse_options(int argc, char **argv) {
  if (argc < 2) die("whole or ranges?");
  opt.ranges = strcmp(argv[1], "ranges") == 0;
  for (int i = 2; i + 1 < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (!strcmp(name, "--port")) opt.port = atoi(value);
    else if (!strcmp(name, "--host")) opt.host = value;
    else if (!strcmp(name, "--size")) opt.size = atoll(value);
    else if (!strcmp(name, "--streams") || !strcmp(name, "--connections")) opt.streams = atoi(value);
    else if (!strcmp(name, "--repeat")) opt.repeat = atoll(value);
    else if (!strcmp(name, "--seconds")) opt.seconds = atof(value);
    else if (!strcmp(name, "--span")) opt.span = atoll(value);
    else if (!strcmp(name, "--target") && opt.target_count < MAX_TARGETS) opt.targets[opt.target_count++] = value;
    else die("unknown option %s", name);
  }
  if (!opt.port || !opt.host || !opt.size || !opt.target_count) die("--port, --host, --size and --target are needed");
}

int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  parse_options(argc, argv);
  epoll_fd = epoll_create1(0);
  struct conn *conns = calloc(opt.streams, sizeof *conns);
  began = now();
  deadline = began + opt.seconds;
  for (int i = 0; i < opt.streams; i++) {
    conns[i].target = opt.targets[i % opt.target_count];
    conns[i].left = opt.repeat;
    open_connection(&conns[i]);
    send_request(&conns[i]);
  }
  struct epoll_event events[256];
  for (int open = opt.streams; open > 0;) {
    int ready = epoll_wait(epoll_fd, events, 256, STALL_MS);
    if (ready == 0) die("no byte for %d ms", STALL_MS);
    for (int i = 0; i < ready; i++) open -= !on_readable(events[i].data.ptr);
  }
  double seconds = now() - began;
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  qsort(latencies_ms, latency_count, sizeof *latencies_ms, by_value);
  printf("{\"requests\":%lld,\"bytes\":%lld,\"seconds\":%.6f,\"clientCpuSeconds\":%.6f,\"firstByteMs\":%.3f,"
         "\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"reconnects\":%lld}\n",
         requests, bytes_total, seconds, cpu, first_byte * 1e3, latencies_ms[latency_count / 2],
         latencies_ms[latency_count * 99 / 100], reconnects);
  return 0;
}
