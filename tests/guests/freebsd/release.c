// Every way to ask for the system's release.
#include "guest.h"

static long by_name(const char* name, void* to, size_t* size) {
  return sys(SYS___sysctlbyname, name, strlen(name), to, size, 0, 0);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "exec") == 0) {
    char path[1024];
    size_t size = sizeof path;
    int mib[] = {1, 14, 12, -1};  // CTL_KERN KERN_PROC KERN_PROC_PATHNAME
    CHECK_EQ(sys(SYS___sysctl, mib, 4, path, &size, 0, 0), 0);
    char* next[] = {argv[0], "show", 0};
    CHECK_EQ(sys(SYS_execve, path, next, guest_envp), 0);
  }
  char text[256];
  size_t size = sizeof text;
  int number = 0;
  CHECK_EQ(by_name("kern.osrelease", text, &size), 0);
  put(text), put(" ");
  size = sizeof number;
  CHECK_EQ(by_name("kern.osreldate", &number, &size), 0);
  put_long(number), put(" ");
  enum { kOsreldate = 18 };
  for (unsigned long* a = guest_auxv; a[0] != 0; a += 2)
    if (a[0] == kOsreldate) put_long((long)a[1]);
  put(" ");
  size = sizeof text;
  CHECK_EQ(by_name("kern.version", text, &size), 0);
  put(text);
  return 0;
}
