/* exec_family FUNCTION PROGRAM [ARGUMENTS…]: a native program that starts PROGRAM by the named function of exec(3) or
 * posix_spawn(3); for a spawned one it waits and takes over its status. With `bare-` before the name the environment given is
 * only `BARE=1`, where the function takes one. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int spawned(int error, pid_t pid) {
  int status = 0;
  if (error != 0 || waitpid(pid, &status, 0) != pid) {
    fprintf(stderr, "%s\n", strerror(error));
    return 99;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  char* bare[] = {"BARE=1", NULL};
  const char* function = argv[1];
  const char* program = argv[2];
  char** const arguments = argv + 2;
  char** volatile environment = environ;  /* outlives vfork() */
  if (strncmp(function, "bare-", 5) == 0) function += 5, environment = bare;
  if (strcmp(function, "execve") == 0) execve(program, arguments, environment);
  if (strcmp(function, "execv") == 0) execv(program, arguments);
  if (strcmp(function, "execvp") == 0) execvp(program, arguments);
  if (strcmp(function, "execvpe") == 0) execvpe(program, arguments, environment);
  if (strcmp(function, "execl") == 0) execl(program, program, argv[3], argv[4], NULL);
  if (strcmp(function, "execlp") == 0) execlp(program, program, argv[3], argv[4], NULL);
  if (strcmp(function, "execle") == 0) execle(program, program, argv[3], argv[4], NULL, environment);
  if (strcmp(function, "fexecve") == 0) fexecve(open(program, O_RDONLY | O_CLOEXEC), arguments, environment);
  if (strcmp(function, "vfork") == 0) {
    const pid_t pid = vfork();
    if (pid == 0) {
      execve(program, arguments, environment);
      _exit(97);
    }
    return spawned(0, pid);
  }
  pid_t pid = 0;
  int error = -1;
  if (strcmp(function, "posix_spawn") == 0)
    error = posix_spawn(&pid, program, NULL, NULL, arguments, environment);
  if (strcmp(function, "posix_spawnp") == 0)
    error = posix_spawnp(&pid, program, NULL, NULL, arguments, environment);
  if (error >= 0) return spawned(error, pid);
  if (strcmp(function, "system") == 0) {
    char command[4096];
    snprintf(command, sizeof command, "%s %s %s", program, argv[3], argv[4]);
    const int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
  }
  perror(function);
  return 96;
}
