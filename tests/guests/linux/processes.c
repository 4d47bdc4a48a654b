#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;
int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IONBF, 0);
  if (argc > 1) {
    printf("child:");
    for (int i = 0; i < argc; ++i) printf(" [%s]", i == 0 ? strrchr(argv[0], '/') : argv[i]);
    printf(" X=%s\n", getenv("X"));
    return 23;
  }
  int status;
  pid_t pid = fork();
  if (pid == 0) _exit(7);
  waitpid(pid, &status, 0);
  printf("fork: %x\n", (unsigned)status);
  pid = fork();
  if (pid == 0) {
    char self[4096];
    const long n = readlink("/proc/self/exe", self, sizeof self - 1);
    (void)n;
    setenv("X", "y z", 1);
    execl(argv[0], argv[0], "a", "", "--x", NULL);
    _exit(99);
  }
  waitpid(pid, &status, 0);
  printf("exec: %x\n", (unsigned)status);
  pid = vfork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", "echo shell; exit 5", NULL);
    _exit(99);
  }
  waitpid(pid, &status, 0);
  printf("shell: %x\n", (unsigned)status);
  pid = fork();
  if (pid == 0) abort();
  waitpid(pid, &status, 0);
  printf("abort: %x\n", (unsigned)status & 0x7f);
  printf("system: %x\n", (unsigned)system("exit 3"));
  FILE* p = popen("echo through a pipe", "r");
  char line[100] = "";
  if (fgets(line, sizeof line, p) == NULL) puts("nothing");
  printf("popen: %s", line);
  pclose(p);
  char dir[] = "linux-XXXXXX";
  if (mkdtemp(dir) == NULL || chdir(dir) != 0) return 1;
  FILE* f = fopen("file", "w+");
  for (int i = 0; i < 10000; ++i) fprintf(f, "line %d\n", i);
  rewind(f);
  long sum = 0, n;
  while (fscanf(f, "line %ld\n", &n) == 1) sum += n;
  printf("file: %ld %ld\n", sum, ftell(f));
  fclose(f);
  struct stat st;
  stat("file", &st);
  printf("stat: %ld %o\n", (long)st.st_size, st.st_mode & 0170000);
  const int fd = open("file", O_RDONLY);
  char* m = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 4096);
  printf("map: %.6s\n", m == MAP_FAILED ? "failed" : m);
  for (int i = 0; i < 100; ++i) {
    char name[20];
    snprintf(name, sizeof name, "f%d", i);
    close(open(name, O_CREAT | O_WRONLY, 0600));
  }
  DIR* d = opendir(".");
  int entries = 0;
  for (struct dirent* e; (e = readdir(d)) != NULL;) {
    ++entries;
    if (e->d_name[0] != '.') unlink(e->d_name);
  }
  closedir(d);
  printf("directory: %d\n", entries);
  if (chdir("..") != 0 || rmdir(dir) != 0) perror("rmdir");
  errno = 0;
  printf("missing: %d %s\n", open("/nonexistent", O_RDONLY), strerror(errno));
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  const int ep = epoll_create1(0);
  struct epoll_event e = {.events = EPOLLIN, .data.fd = pair[0]};
  epoll_ctl(ep, EPOLL_CTL_ADD, pair[0], &e);
  if (write(pair[1], "z", 1) != 1) return 1;
  printf("epoll: %d", epoll_wait(ep, &e, 1, 1000));
  printf(" %d\n", e.data.fd == pair[0]);
  char* big = malloc(100 << 20);
  memset(big, 1, 100 << 20);
  printf("memory: %d\n", big[50 << 20]);
  free(big);
  puts("done");
  return 12;
}
