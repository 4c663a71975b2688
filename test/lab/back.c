/*
 * Has the host of a virtual machine back memory that is free, and keeps it from taking it back for a while.
 *
 *   back BYTES
 *
 * Touches so many bytes, gives all but a page here and there back to the kernel, prints "ready", and keeps those until
 * its standard input ends: what is free then lies in pieces too short for a host to be told of (free page reporting, of
 * blocks of 2 MiB on). The kernel joins them again in the course of minutes.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, EVERY = 64 * PAGE, THREADS = 2 };

struct part {
  char *from;
  size_t size;
};

static void *touch(void *which) {
  struct part *part = which;
  for (size_t at = 0; at < part->size; at += PAGE) part->from[at] = 1;
  return NULL;
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  size_t half = atoll(argv[1]) / THREADS / EVERY * EVERY, size = half * THREADS;
  char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || madvise(memory, size, MADV_NOHUGEPAGE) < 0) {
    perror("back");
    return 1;
  }
  pthread_t threads[THREADS];
  struct part parts[THREADS];
  for (int i = 0; i < THREADS; i++) {
    parts[i] = (struct part){memory + i * half, half};
    if (pthread_create(&threads[i], NULL, touch, &parts[i]) != 0) return 1;
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  for (size_t at = 0; at < size; at += EVERY) madvise(memory + at + PAGE, EVERY - PAGE, MADV_DONTNEED);
  puts("ready");
  fflush(stdout);
  while (getchar() != EOF) continue;
  return 0;
}
