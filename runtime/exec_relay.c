/* Preloaded into the dynamic Linux programs a guest starts, so that a foreign program *they* execute comes back to
 * sudrun: `sh -c "foreign | foreign"`, nohup, make, xargs. The kernel would take such a program for a Linux one.
 *
 * It wraps the functions of exec(3) and posix_spawn(3); nothing else of the program changes. Programs that are
 * static, that make the system call themselves, or that run set-user-ID are out of its reach.
 *
 * What it is to know stands in one environment variable, written by exec_relay.cpp: fields separated by tabs: the path
 * of sudrun; marks of foreign programs (`osabi:N`, `note:NAME`, `code:HEX`); options for sudrun. It is read once, when the library
 * is loaded. exec may happen in a child of vfork: everything is on the stack, nothing is allocated, no lock is taken.
 *
 * Linked without libraries of its own, so that it fits the program's C library, whichever that is. */
#define _GNU_SOURCE
#include "runtime/exec_relay.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAX_FIELDS = 64, MAX_HEADERS = 64, MAX_NOTES = 4096, MAX_LINE = 256, MAX_CODE = 16 };

typedef char* const* vector_t;
static struct {
  char text[8192];        /* the variable's value, its tabs replaced by NULs */
  char variable[8192];    /* the variable as it is handed on */
  char preload[PATH_MAX + sizeof "LD_PRELOAD="];
  const char* sudrun;
  const char* marks[MAX_FIELDS];
  const char* options[MAX_FIELDS];
  unsigned mark_count, option_count;
} relay;

static struct {
  int (*execve)(const char*, vector_t, vector_t);
  int (*execvpe)(const char*, vector_t, vector_t);
  int (*fexecve)(int, vector_t, vector_t);
  int (*posix_spawn)(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*, vector_t, vector_t);
  int (*posix_spawnp)(pid_t*, const char*, const posix_spawn_file_actions_t*, const posix_spawnattr_t*, vector_t,
                      vector_t);
} real;

__attribute__((constructor)) static void learn(void) {
  *(void**)&real.execve = dlsym(RTLD_NEXT, "execve");
  *(void**)&real.execvpe = dlsym(RTLD_NEXT, "execvpe");
  *(void**)&real.fexecve = dlsym(RTLD_NEXT, "fexecve");
  *(void**)&real.posix_spawn = dlsym(RTLD_NEXT, "posix_spawn");
  *(void**)&real.posix_spawnp = dlsym(RTLD_NEXT, "posix_spawnp");
  const char* value = getenv(SUDRUN_EXEC_RELAY);
  const char* preload = getenv("LD_PRELOAD");
  if (value == NULL || preload == NULL || strlen(value) >= sizeof relay.text - sizeof SUDRUN_EXEC_RELAY ||
      strlen(preload) >= PATH_MAX)
    return;
  strcpy(relay.text, value);
  strcpy(stpcpy(relay.variable, SUDRUN_EXEC_RELAY "="), value);
  strcpy(stpcpy(relay.preload, "LD_PRELOAD="), preload);
  char* field = relay.text;
  for (bool first = true; field != NULL; first = false) {
    char* end = strchr(field, '\t');
    if (end != NULL) *end++ = '\0';
    const bool mark = strncmp(field, "osabi:", 6) == 0 || strncmp(field, "note:", 5) == 0 || strncmp(field, "code:", 5) == 0;
    if (first) relay.sudrun = field;
    else if (mark && relay.mark_count < MAX_FIELDS) relay.marks[relay.mark_count++] = field;
    else if (!mark && relay.option_count < MAX_FIELDS) relay.options[relay.option_count++] = field;
    field = end;
  }
}

/* --- which programs are foreign ----------------------------------------------------------------------------- */

static bool marked(const char* kind, const char* name, size_t length) {
  const size_t prefix = strlen(kind);
  for (unsigned i = 0; i < relay.mark_count; ++i) {
    const char* mark = relay.marks[i];
    if (strncmp(mark, kind, prefix) == 0 && strlen(mark + prefix) == length && memcmp(mark + prefix, name, length) == 0)
      return true;
  }
  return false;
}

static bool marked_by_osabi(unsigned osabi) {
  char digits[4];
  unsigned length = 0;
  for (unsigned scale = 100; scale != 0; scale /= 10)
    if (osabi >= scale || scale == 1) digits[length++] = (char)('0' + osabi / scale % 10);
  return osabi != 0 && marked("osabi:", digits, length);
}

static bool marked_by_note(int fd, const Elf64_Phdr* header) {
  _Alignas(8) char notes[MAX_NOTES];
  if (header->p_filesz > sizeof notes) return false;
  const ssize_t size = pread(fd, notes, header->p_filesz, (off_t)header->p_offset);
  for (size_t at = 0; size >= 0 && at + sizeof(Elf64_Nhdr) <= (size_t)size;) {
    Elf64_Nhdr note;
    memcpy(&note, notes + at, sizeof note);
    at += sizeof note;
    const size_t left = (size_t)size - at, name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
    const size_t whole = name + (((size_t)note.n_descsz + 3) & ~(size_t)3);
    if (whole > left) return false;
    if (note.n_type == 1 && note.n_namesz > 1 && marked("note:", notes + at, note.n_namesz - 1)) return true;
    at += whole;
  }
  return false;
}

/* What static programs begin with that have no other mark. */
static bool marked_by_code(int fd, const Elf64_Ehdr* elf, const Elf64_Phdr* load) {
  unsigned char code[MAX_CODE];
  char digits[2 * MAX_CODE];
  const Elf64_Addr inside = elf->e_entry - load->p_vaddr;
  const size_t left = load->p_filesz - inside;
  const ssize_t size = pread(fd, code, left < MAX_CODE ? left : MAX_CODE, (off_t)(load->p_offset + inside));
  for (ssize_t i = 0; i < size; ++i) {
    digits[2 * i] = "0123456789abcdef"[code[i] >> 4];
    digits[2 * i + 1] = "0123456789abcdef"[code[i] & 15];
    if (marked("code:", digits, 2 * (size_t)i + 2)) return true;
  }
  return false;
}

static bool is_foreign_elf(int fd) {
  Elf64_Ehdr elf;
  if (pread(fd, &elf, sizeof elf, 0) != (ssize_t)sizeof elf) return false;
  if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
    return false;
  if (elf.e_ident[EI_OSABI] != 0) return marked_by_osabi(elf.e_ident[EI_OSABI]);
  if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum > MAX_HEADERS) return false;
  bool dynamic = false, code = false;
  for (unsigned i = 0; i < elf.e_phnum; ++i) {
    Elf64_Phdr header;
    const off_t at = (off_t)(elf.e_phoff + i * sizeof header);
    if (pread(fd, &header, sizeof header, at) != (ssize_t)sizeof header) return false;
    if (header.p_type == PT_NOTE && marked_by_note(fd, &header)) return true;
    dynamic = dynamic || header.p_type == PT_INTERP;
    if (header.p_type == PT_LOAD && elf.e_entry >= header.p_vaddr && elf.e_entry - header.p_vaddr < header.p_filesz)
      code = code || marked_by_code(fd, &elf, &header);
  }
  return code && !dynamic;
}

/* A foreign program, or a script whose interpreter is one; then `line` holds the script's first line, in which
 * `interpreter` and `argument` point. */
struct target {
  bool foreign;
  char line[MAX_LINE];
  char *interpreter, *argument;
};

static int open_program(const char* path) { return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }

static bool read_script(int fd, struct target* to) {
  const ssize_t size = pread(fd, to->line, sizeof to->line - 1, 0);
  if (size < 2 || to->line[0] != '#' || to->line[1] != '!') return false;
  to->line[size] = '\0';
  to->line[strcspn(to->line, "\n")] = '\0';
  to->interpreter = to->line + 2 + strspn(to->line + 2, " \t");
  char* end = to->interpreter + strcspn(to->interpreter, " \t");
  if (end == to->interpreter) return false;
  if (*end != '\0') {
    *end++ = '\0';
    end += strspn(end, " \t");
    for (size_t n = strlen(end); n > 0 && (end[n - 1] == ' ' || end[n - 1] == '\t'); --n) end[n - 1] = '\0';
    if (*end != '\0') to->argument = end;
  }
  return true;
}

static void look_at(const char* path, struct target* to) {
  memset(to, 0, sizeof *to);
  if (relay.sudrun == NULL || path == NULL || access(path, X_OK) != 0) return;
  const int saved = errno;
  const int fd = open_program(path);
  if (fd >= 0) {
    to->foreign = is_foreign_elf(fd);
    if (!to->foreign && read_script(fd, to)) {
      const int interpreter = open_program(to->interpreter);
      if (interpreter >= 0) {
        to->foreign = is_foreign_elf(interpreter);
        close(interpreter);
      }
    } else {
      to->interpreter = NULL;
    }
    close(fd);
  }
  errno = saved;
}

/* --- what is executed instead ------------------------------------------------------------------------------- */

static size_t length_of(vector_t v) {
  size_t n = 0;
  while (v != NULL && v[n] != NULL) ++n;
  return n;
}

/* Room for the arguments of rewrite(): sudrun, its options, --argv0=, --, interpreter, argument, path, the rest. */
#define REWRITTEN_SIZE(argv) (length_of(argv) + relay.option_count + 8)

/* `name` gives room for `--argv0=` and argv[0]. */
static void rewrite(const struct target* target, const char* path, vector_t argv, const char** to, char* name) {
  *to++ = "sudrun";
  for (unsigned i = 0; i < relay.option_count; ++i) *to++ = relay.options[i];
  const char* own = target->interpreter != NULL ? target->interpreter : length_of(argv) != 0 ? argv[0] : "";
  if (*own == '\0') {
    *to++ = "--empty-argv0";
  } else {
    strcpy(stpcpy(name, "--argv0="), own);
    *to++ = name;
  }
  *to++ = "--";
  if (target->interpreter != NULL) *to++ = target->interpreter;
  if (target->argument != NULL) *to++ = target->argument;
  *to++ = path;
  for (size_t i = 1; i < length_of(argv); ++i) *to++ = argv[i];
  *to = NULL;
}

static size_t name_size(vector_t argv) {
  const size_t own = length_of(argv) != 0 ? strlen(argv[0]) : 0;
  return sizeof "--argv0=" + (own > MAX_LINE ? own : MAX_LINE);
}

/* The environment with what lets the relay go on, for a program that was given one without. `to` has room for two more
 * entries than `envp`. Environments with a preload of their own stay as they are. */
static void hand_on(vector_t envp, const char** to) {
  bool known = relay.sudrun == NULL, preload = false;
  for (; envp != NULL && *envp != NULL; ++envp) {
    known = known || strncmp(*envp, SUDRUN_EXEC_RELAY "=", sizeof SUDRUN_EXEC_RELAY) == 0;
    preload = preload || strncmp(*envp, "LD_PRELOAD=", 11) == 0;
    *to++ = *envp;
  }
  if (!known && !preload) {
    *to++ = relay.variable;
    *to++ = relay.preload;
  }
  *to = NULL;
}

__attribute__((visibility("default"))) int execve(const char* path, vector_t argv, vector_t envp) {
  const char* environment[length_of(envp) + 3];
  hand_on(envp, environment);
  struct target target;
  look_at(path, &target);
  if (!target.foreign) return real.execve(path, argv, (vector_t)environment);
  const char* arguments[REWRITTEN_SIZE(argv)];
  char name[name_size(argv)];
  rewrite(&target, path, argv, arguments, name);
  return real.execve(relay.sudrun, (vector_t)arguments, (vector_t)environment);
}

/* Finds what PATH makes of `file`; false if the search is not for us (a slash, nothing found, too long). */
static bool search(const char* file, char* found) {
  if (file == NULL || *file == '\0' || strchr(file, '/') != NULL) return false;
  const char* path = getenv("PATH");
  if (path == NULL) path = "/bin:/usr/bin";
  for (;;) {
    const size_t length = strcspn(path, ":");
    if (length + strlen(file) + 2 > PATH_MAX) return false;
    memcpy(found, path, length);
    strcpy(stpcpy(found + length, length != 0 ? "/" : ""), file);
    if (access(found, X_OK) == 0) return true;
    if (path[length] == '\0') return false;
    path += length + 1;
  }
}

/* The file a p-function means, if it is a foreign program; otherwise NULL. */
static const char* foreign_in_path(const char* file, char* buffer) {
  const int saved = errno;
  const char* path = search(file, buffer) ? buffer : file != NULL && strchr(file, '/') != NULL ? file : NULL;
  struct target target;
  look_at(path, &target);
  errno = saved;
  return target.foreign ? path : NULL;
}

__attribute__((visibility("default"))) int execvpe(const char* file, vector_t argv, vector_t envp) {
  char buffer[PATH_MAX];
  const char* path = foreign_in_path(file, buffer);
  if (path != NULL) return execve(path, argv, envp);
  const char* environment[length_of(envp) + 3];
  hand_on(envp, environment);
  return real.execvpe(file, argv, (vector_t)environment);
}

__attribute__((visibility("default"))) int execv(const char* path, vector_t argv) {
  return execve(path, argv, environ);
}
__attribute__((visibility("default"))) int execvp(const char* file, vector_t argv) {
  return execvpe(file, argv, environ);
}

__attribute__((visibility("default"))) int fexecve(int fd, vector_t argv, vector_t envp) {
  char link[32], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  /* The descriptor may close on exec, so sudrun is told the file's name. */
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length > 0) {
    path[length] = '\0';
    struct target target;
    look_at(path, &target);
    if (target.foreign) return execve(path, argv, envp);
  }
  return real.fexecve(fd, argv, envp);
}

/* The vectors of execl and its kind: arguments up to a null pointer, then, for execle, the environment. */
#define COLLECT(first)                                                        \
  va_list list;                                                               \
  va_start(list, first);                                                      \
  size_t count = 1;                                                           \
  while (va_arg(list, char*) != NULL) ++count;                                \
  va_end(list);                                                               \
  char* argv[count + 1];                                                      \
  va_start(list, first);                                                      \
  argv[0] = (char*)(first);                                                   \
  for (size_t i = 1; i <= count; ++i) argv[i] = va_arg(list, char*)

__attribute__((visibility("default"))) int execl(const char* path, const char* first, ...) {
  COLLECT(first);
  va_end(list);
  return execve(path, argv, environ);
}
__attribute__((visibility("default"))) int execlp(const char* file, const char* first, ...) {
  COLLECT(first);
  va_end(list);
  return execvpe(file, argv, environ);
}
__attribute__((visibility("default"))) int execle(const char* path, const char* first, ...) {
  COLLECT(first);
  vector_t envp = va_arg(list, vector_t);
  va_end(list);
  return execve(path, argv, envp);
}

static int spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, vector_t argv, vector_t envp, const struct target* target) {
  const char* arguments[REWRITTEN_SIZE(argv)];
  char name[name_size(argv)];
  rewrite(target, path, argv, arguments, name);
  return real.posix_spawn(pid, relay.sudrun, actions, attributes, (vector_t)arguments, envp);
}

__attribute__((visibility("default"))) int posix_spawn(pid_t* pid, const char* path,
                                                       const posix_spawn_file_actions_t* actions,
                                                       const posix_spawnattr_t* attributes, vector_t argv,
                                                       vector_t envp) {
  const char* environment[length_of(envp) + 3];
  hand_on(envp, environment);
  struct target target;
  look_at(path, &target);
  if (target.foreign) return spawn(pid, path, actions, attributes, argv, (vector_t)environment, &target);
  return real.posix_spawn(pid, path, actions, attributes, argv, (vector_t)environment);
}

__attribute__((visibility("default"))) int posix_spawnp(pid_t* pid, const char* file,
                                                        const posix_spawn_file_actions_t* actions,
                                                        const posix_spawnattr_t* attributes, vector_t argv,
                                                        vector_t envp) {
  char buffer[PATH_MAX];
  const char* path = foreign_in_path(file, buffer);
  if (path != NULL) return posix_spawn(pid, path, actions, attributes, argv, envp);
  const char* environment[length_of(envp) + 3];
  hand_on(envp, environment);
  return real.posix_spawnp(pid, file, actions, attributes, argv, (vector_t)environment);
}
