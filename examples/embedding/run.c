/* The smallest embedder: runs a FreeBSD program inside this process, and says how it ended.
   cc run.c $(pkg-config --cflags --libs sudrun) */
#include <stdio.h>
#include <sudrun/sudrun.h>

static int fail(const char *what, const sudrun_error *error) {
  fprintf(stderr, "%s: %s\n", what, error->message);
  return 1;
}

/* Sees every call before it is made. */
static void count(sudrun_call *call, void *user) {
  (void)call;
  ++*(int *)user;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: run PROGRAM [ARGUMENTS...]\n");
    return 2;
  }
  sudrun_error error;
  sudrun_table *table;
  sudrun_guest *guest;
  sudrun_thread *thread;
  int calls = 0;
  if (sudrun_table_builtin("freebsd-amd64", &table, &error) != SUDRUN_OK) return fail("table", &error);
  if (sudrun_guest_new(table, NULL, &guest, &error) != SUDRUN_OK) return fail("guest", &error);
  if (sudrun_guest_on_call(guest, SUDRUN_EVERY_CALL, SUDRUN_BEFORE, count, &calls, &error) != SUDRUN_OK)
    return fail("handler", &error);
  if (sudrun_guest_load_file(guest, argv[1], (const char *const *)argv + 1, NULL, &thread, &error) != SUDRUN_OK)
    return fail("program", &error);
  sudrun_stop stop;
  if (sudrun_thread_run(thread, 0, SUDRUN_FOREVER, &stop, &error) != SUDRUN_OK) return fail("run", &error);
  printf("%s with %lld after %d calls\n", stop.reason == SUDRUN_STOP_EXITED ? "exited" : "stopped",
         (long long)stop.value, calls);
  sudrun_guest_free(guest);
  sudrun_table_free(table);
  return stop.reason == SUDRUN_STOP_EXITED ? (int)stop.value : 1;
}
