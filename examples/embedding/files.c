/* A host for programs that see files which are nowhere: /data/greeting is bytes in memory, everything below /data/
   that is not there is ENOENT, whatever the host has, and nothing can be written anywhere.
   cc files.c $(pkg-config --cflags --libs sudrun) */
#include <stdio.h>
#include <string.h>
#include <sudrun/sudrun.h>

static const char kGreeting[] = "hello from a file that is nowhere\n";

static int check(sudrun_status status, const sudrun_error *error) {
  if (status == SUDRUN_OK) return 1;
  fprintf(stderr, "files: %s\n", error->message);
  return 0;
}

struct errors {
  int no_entry, read_only;
};

/* open(path, flags, mode) and openat(fd, path, flags, mode): `user` says which errors there are. */
static void watch(sudrun_call *call, const struct errors *errors, unsigned path_at) {
  char path[1024];
  if (sudrun_call_read_string(call, sudrun_call_argument(call, path_at), path, sizeof path) != SUDRUN_OK) return;
  if ((sudrun_call_argument(call, path_at + 1) & 3) != 0)
    sudrun_call_fail(call, errors->read_only);
  else if (strncmp(path, "/data/", 6) == 0 && strcmp(path, "/data/greeting") != 0)
    sudrun_call_fail(call, errors->no_entry);
}
static void watch_open(sudrun_call *call, void *user) { watch(call, user, 0); }
static void watch_openat(sudrun_call *call, void *user) { watch(call, user, 1); }

int main(int argc, char **argv) {
  sudrun_error error;
  sudrun_table *table;
  sudrun_guest *guest;
  sudrun_thread *thread;
  sudrun_stop stop;
  if (argc < 2) {
    fprintf(stderr, "usage: files PROGRAM [ARGUMENTS...]\n");
    return 2;
  }
  if (!check(sudrun_table_builtin("freebsd-amd64", &table, &error), &error)) return 1;
  if (!check(sudrun_guest_new(table, NULL, &guest, &error), &error)) return 1;
  struct errors errors = {sudrun_table_errno(table, "ENOENT"), sudrun_table_errno(table, "EROFS")};
  const int64_t open_number = sudrun_table_call_number(table, "open");
  const int64_t openat_number = sudrun_table_call_number(table, "openat");
  if (!check(sudrun_guest_add_file(guest, "/data/greeting", kGreeting, strlen(kGreeting), &error), &error) ||
      !check(sudrun_guest_on_call(guest, open_number, SUDRUN_BEFORE, watch_open, &errors, &error), &error) ||
      !check(sudrun_guest_on_call(guest, openat_number, SUDRUN_BEFORE, watch_openat, &errors, &error), &error) ||
      !check(sudrun_guest_load_file(guest, argv[1], (const char *const *)argv + 1, NULL, &thread, &error), &error) ||
      !check(sudrun_thread_run(thread, 0, SUDRUN_FOREVER, &stop, &error), &error))
    return 1;
  sudrun_guest_free(guest);
  sudrun_table_free(table);
  return stop.reason == SUDRUN_STOP_EXITED ? (int)stop.value : 1;
}
