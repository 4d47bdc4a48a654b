// restricted RULES PROGRAM [ARGUMENTS…]: runs a program under a seccomp filter, as some hosts do.
//   no-dispatch   the kernel does not know Syscall User Dispatch
//   no-trap       … nor lets anybody install a filter
//   few-signals   at most 2000 signals of the user may be queued
//   container     calls that Docker's default profile refuses to a container without capabilities
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SET_SYSCALL_USER_DISPATCH = 59, MAX = 128 };

static struct sock_filter code[MAX];
static unsigned short length;

static void add(struct sock_filter step) { code[length++] = step; }
static void load(unsigned offset) { add((struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)); }
static void refuse(int error) { add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error)); }
static void refuse_call(unsigned number, int error) {
  load(offsetof(struct seccomp_data, nr));
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1));
  refuse(error);
}
static void refuse_prctl(unsigned option, int error) {
  load(offsetof(struct seccomp_data, nr));
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3));
  load(offsetof(struct seccomp_data, args));
  add((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, option, 0, 1));
  refuse(error);
}

int main(int argc, char** argv) {
  if (argc < 3) return fprintf(stderr, "usage: restricted RULES PROGRAM [ARGUMENTS...]\n"), 2;
  const char* rules = argv[1];
  if (strcmp(rules, "no-dispatch") == 0 || strcmp(rules, "no-trap") == 0) refuse_prctl(SET_SYSCALL_USER_DISPATCH, EINVAL);
  if (strcmp(rules, "no-trap") == 0) refuse_call(SYS_seccomp, EPERM);
  if (strcmp(rules, "few-signals") == 0) setrlimit(RLIMIT_SIGPENDING, &(struct rlimit){2000, 2000});
  if (strcmp(rules, "container") == 0) {
    static const unsigned refused[] = {
        SYS_acct, SYS_add_key, SYS_bpf, SYS_chroot, SYS_clock_settime, SYS_delete_module, SYS_finit_module,
        SYS_fsopen, SYS_init_module, SYS_io_uring_setup, SYS_ioperm, SYS_iopl, SYS_kcmp, SYS_kexec_load, SYS_keyctl,
        SYS_lookup_dcookie, SYS_mount, SYS_move_pages, SYS_name_to_handle_at, SYS_open_by_handle_at,
        SYS_perf_event_open, SYS_pivot_root, SYS_process_madvise, SYS_process_vm_readv, SYS_process_vm_writev,
        SYS_ptrace, SYS_quotactl, SYS_reboot, SYS_request_key, SYS_setns, SYS_settimeofday, SYS_swapon, SYS_syslog,
        SYS_umount2, SYS_unshare, SYS_userfaultfd, SYS_vhangup,
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; ++i) refuse_call(refused[i], EPERM);
    refuse_call(SYS_clone3, ENOSYS);
  }
  add((struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  struct sock_fprog program = {length, code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
    perror("restricted");
    return 2;
  }
  execv(argv[2], argv + 2);
  perror(argv[2]);
  return 2;
}
