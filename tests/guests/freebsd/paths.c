// Does what its arguments say, one call each, and prints what came of it; see main().
#include "guest.h"

static char text[4200];
static void outcome(const char* what, long r) {
  put(what), put(" ");
  put_long(r < 0 ? r : 0), put("\n");
}
static void shown(const char* what, long r) {
  put(what), put(" ");
  if (r < 0) put_long(r);
  else put(text);
  put("\n");
}
static void clear(void) { memset(text, 0, sizeof text); }
static void read_all(const char* what, long fd) {
  clear();
  const long r = fd < 0 ? fd : sys(SYS_read, fd, text, sizeof text - 1);
  shown(what, r);
  if (fd >= 0) sys(SYS_close, fd);
}
static long local_socket(long (*with)(long, const char*), const char* path) {
  const long s = sys(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
  const long r = with(s, path);
  if (r < 0) sys(SYS_close, s);
  return r < 0 ? r : s;
}
static struct sockaddr_un address(const char* path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  join(a.sun_path, path, "");
  a.sun_len = (uint8_t)(2 + strlen(path) + 1);
  return a;
}
static long bind_to(long s, const char* path) {
  struct sockaddr_un a = address(path);
  const long r = sys(SYS_bind, s, &a, a.sun_len);
  return r < 0 ? r : sys(SYS_listen, s, 1);
}
static long connect_to(long s, const char* path) {
  struct sockaddr_un a = address(path);
  return sys(SYS_connect, s, &a, a.sun_len);
}

int main(int argc, char** argv) {
  long directory = AT_FDCWD, server = -1;
  for (int i = 1; i < argc; ++i) {
    const char* what = argv[i];
    const char* a = i + 1 < argc ? argv[i + 1] : "";
    const char* b = i + 2 < argc ? argv[i + 2] : "";
    struct stat st;
    clear();
    if (strcmp(what, "getcwd") == 0) {
      shown(what, sys(SYS___getcwd, text, sizeof text));
      continue;
    }
    ++i;
    if (strcmp(what, "read") == 0) read_all(what, sys(SYS_openat, directory, a, O_RDONLY, 0));
    else if (strcmp(what, "nofollow") == 0) outcome(what, sys(SYS_openat, directory, a, O_RDONLY | O_NOFOLLOW, 0));
    else if (strcmp(what, "chdir") == 0) outcome(what, sys(SYS_chdir, a));
    else if (strcmp(what, "directory") == 0) outcome(what, directory = sys(SYS_openat, directory, a, O_RDONLY | O_DIRECTORY, 0));
    else if (strcmp(what, "readlink") == 0) shown(what, sys(SYS_readlinkat, directory, a, text, sizeof text - 1));
    else if (strcmp(what, "realpath") == 0) shown(what, sys(SYS___realpathat, directory, a, text, sizeof text, 0));
    else if (strcmp(what, "mkdir") == 0) outcome(what, sys(SYS_mkdirat, directory, a, 0755));
    else if (strcmp(what, "unlink") == 0) outcome(what, sys(SYS_unlinkat, directory, a, 0));
    else if (strcmp(what, "stat") == 0) outcome(what, sys(SYS_fstatat, directory, a, &st, 0));
    else if (strcmp(what, "is-link") == 0) {
      const long r = sys(SYS_fstatat, directory, a, &st, AT_SYMLINK_NOFOLLOW);
      outcome(what, r < 0 ? r : (st.st_mode & 0170000) == 0120000 ? 0 : -1);
    } else if (strcmp(what, "bind") == 0) outcome(what, server = local_socket(bind_to, a));
    else if (strcmp(what, "connect") == 0) outcome(what, local_socket(connect_to, a));
    else if (strcmp(what, "getsockname") == 0) {
      struct sockaddr_un name = {0};
      uint32_t size = sizeof name;
      const long r = sys(SYS_getsockname, server, &name, &size);
      join(text, name.sun_path, "");
      shown(what, r);
    } else if (strcmp(what, "exec") == 0) {
      outcome(what, sys(SYS_execve, a, argv + i, guest_envp));
    } else {
      ++i;
      if (strcmp(what, "write") == 0) {
        const long fd = sys(SYS_openat, directory, a, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        outcome(what, fd < 0 ? fd : sys(SYS_write, fd, b, strlen(b)));
        sys(SYS_close, fd);
      } else if (strcmp(what, "rename") == 0) outcome(what, sys(SYS_renameat, directory, a, directory, b));
      else if (strcmp(what, "link") == 0) outcome(what, sys(SYS_linkat, directory, a, directory, b, 0));
      else if (strcmp(what, "symlink") == 0) outcome(what, sys(SYS_symlinkat, a, directory, b));
      else put("unknown: "), put(what), put("\n");
    }
  }
  return 0;
}
