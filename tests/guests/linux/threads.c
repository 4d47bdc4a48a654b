#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long total, ready;
static __thread long mine;

static void* work(void* arg) {
  for (int i = 0; i < 2000; ++i) {
    ++mine;
    pthread_mutex_lock(&mutex);
    ++total;
    pthread_mutex_unlock(&mutex);
  }
  pthread_mutex_lock(&mutex);
  ++ready;
  pthread_cond_signal(&cond);
  pthread_mutex_unlock(&mutex);
  return (void*)(mine + (long)arg);
}
static void* forever(void* arg) {
  (void)arg;
  for (;;) pause();
}
static pthread_key_t key;
static int destroyed;
static void destroy(void* value) { destroyed += (int)(long)value; }
static void* with_key(void* arg) {
  pthread_setspecific(key, arg);
  return NULL;
}

int main(void) {
  enum { kThreads = 16 };
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, (void*)i);
  pthread_mutex_lock(&mutex);
  while (ready < kThreads) pthread_cond_wait(&cond, &mutex);
  pthread_mutex_unlock(&mutex);
  long sum = 0;
  for (int i = 0; i < kThreads; ++i) {
    void* result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  printf("total %ld sum %ld mine %ld\n", total, sum, mine);
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  t.tv_nsec += 20000000;
  if (t.tv_nsec >= 1000000000) t.tv_nsec -= 1000000000, ++t.tv_sec;
  pthread_mutex_lock(&mutex);
  printf("timed wait: %s\n", pthread_cond_timedwait(&cond, &mutex, &t) == ETIMEDOUT ? "timed out" : "other");
  pthread_mutex_unlock(&mutex);
  pthread_t sleeper;
  pthread_create(&sleeper, NULL, forever, NULL);
  pthread_cancel(sleeper);
  void* result;
  pthread_join(sleeper, &result);
  printf("cancelled: %d\n", result == PTHREAD_CANCELED);
  pthread_key_create(&key, destroy);
  pthread_create(&sleeper, NULL, with_key, (void*)5);
  pthread_join(sleeper, NULL);
  printf("destroyed %d\n", destroyed);
  pthread_create(&sleeper, NULL, forever, NULL);
  fflush(stdout);
  for (int i = 0; i < 20; ++i) {
    const pid_t pid = fork();
    if (pid == 0) {
      void* r;
      pthread_create(&threads[0], NULL, work, NULL);
      pthread_join(threads[0], &r);
      _exit((long)r == 2000 ? 3 : 4);
    }
    int status;
    waitpid(pid, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 3) printf("fork %d: status %x\n", i, (unsigned)status);
  }
  puts("done");
  return 0;
}
