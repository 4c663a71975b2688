/*
 * Passes one reply on to several readers as it comes, and does nothing else to it: what the network costs by itself.
 *
 *   chain PORT READERS UPSTREAM_HOST UPSTREAM_PORT
 *
 * Waits until so many readers have connected and asked, asks the upstream with the words of the first of them, and
 * copies what comes to all of them until it ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, PIECE_BYTES = 64 * 1024, MOST_READERS = 16 };

static void die(const char *what) {
  fprintf(stderr, "chain: %s: %s\n", what, strerror(errno));
  exit(1);
}

static struct sockaddr_in address(const char *host, const char *port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
  if (inet_pton(AF_INET, host, &to.sin_addr) != 1) die(host);
  return to;
}

static void send_all(int fd, const char *piece, size_t size) {
  for (size_t at = 0; at < size;) {
    ssize_t sent = send(fd, piece + at, size - at, MSG_NOSIGNAL);
    if (sent < 0) die("send");
    at += sent;
  }
}

/* Reads a request up to the blank line; gives its length. */
static size_t read_head(int fd, char *head) {
  size_t have = 0;
  do {
    ssize_t got = recv(fd, head + have, HEAD_BYTES - have, 0);
    if (got <= 0) die("no request");
    have += got;
    head[have] = 0;
  } while (strstr(head, "\r\n\r\n") == NULL);
  return have;
}

int main(int argc, char **argv) {
  if (argc != 5 || atoi(argv[2]) < 1 || atoi(argv[2]) > MOST_READERS) return 2;
  int readers[MOST_READERS], count = atoi(argv[2]), on = 1;
  struct sockaddr_in own = address("0.0.0.0", argv[1]), upstream = address(argv[3], argv[4]);
  int listening = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listening, (struct sockaddr *)&own, sizeof own) < 0 || listen(listening, count) < 0) die("listen");
  printf("ready\n");
  fflush(stdout);

  static char head[HEAD_BYTES + 1], other[HEAD_BYTES + 1], piece[PIECE_BYTES];
  size_t asked = 0;
  for (int i = 0; i < count; i++) {
    readers[i] = accept(listening, NULL, NULL);
    if (readers[i] < 0) die("accept");
    if (i == 0) asked = read_head(readers[i], head);
    else read_head(readers[i], other);
  }

  int from = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(from, (struct sockaddr *)&upstream, sizeof upstream) < 0) die("connect");
  send_all(from, head, asked);
  for (ssize_t got; (got = recv(from, piece, sizeof piece, 0)) != 0;) {
    if (got < 0) die("receive");
    for (int i = 0; i < count; i++) send_all(readers[i], piece, got);
  }
  return 0;
}
