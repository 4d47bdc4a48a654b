// System V IPC: semaphores, message queues, shared memory; today's calls and those before FreeBSD 8.
// Structures and constants: FreeBSD 14.0 sys/sys/{ipc,sem,msg,shm}.h.
#include "guest.h"

enum { EIDRM = 82, ENOMSG = 83 };
enum { IPC_CREAT = 01000, IPC_EXCL = 02000, IPC_NOWAIT = 04000, IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3 };
enum { GETNCNT = 3, GETPID, GETVAL, GETALL, GETZCNT, SETVAL, SETALL, SEM_STAT, SEM_UNDO = 010000 };
enum { MSG_NOERROR = 010000, SHM_RDONLY = 010000, SHM_RND = 020000, SHM_REMAP = 030000 };
enum { kPage = 4096 };
static const unsigned long kHost = 0x7f0000000000, kKernel = 0xffff800000000000;

struct ipc_perm { uint32_t cuid, cgid, uid, gid; uint16_t mode, seq; long key; };
struct ipc_perm_old { uint16_t cuid, cgid, uid, gid, mode, seq; long key; };
struct semid_ds { struct ipc_perm sem_perm; void* base; uint16_t sem_nsems; long sem_otime, sem_ctime; };
struct semid_ds_old { struct ipc_perm_old sem_perm; void* base; uint16_t sem_nsems; long sem_otime, pad1, sem_ctime, pad2[5]; };
struct msqid_ds { struct ipc_perm msg_perm; void *first, *last; unsigned long msg_cbytes, msg_qnum, msg_qbytes; int msg_lspid, msg_lrpid; long msg_stime, msg_rtime, msg_ctime; };
struct msqid_ds_old { struct ipc_perm_old msg_perm; void *first, *last; unsigned long msg_cbytes, msg_qnum, msg_qbytes; int msg_lspid, msg_lrpid; long msg_stime, pad1, msg_rtime, pad2, msg_ctime, pad3[5]; };
struct shmid_ds { struct ipc_perm shm_perm; size_t shm_segsz; int shm_lpid, shm_cpid; unsigned shm_nattch; long shm_atime, shm_dtime, shm_ctime; };
struct shmid_ds_old { struct ipc_perm_old shm_perm; int shm_segsz, shm_lpid, shm_cpid; short shm_nattch; long shm_atime, shm_dtime, shm_ctime; void* internal; };
struct sembuf { uint16_t sem_num; int16_t sem_op, sem_flg; };
union semun { int val; void* buf; uint16_t* array; };
_Static_assert(sizeof(struct semid_ds) == 64 && sizeof(struct msqid_ds) == 104 && sizeof(struct shmid_ds) == 80, "layouts");
_Static_assert(sizeof(struct semid_ds_old) == 104 && sizeof(struct msqid_ds_old) == 152 && sizeof(struct shmid_ds_old) == 72, "old layouts");

static int own_key(int n) { return (int)(0x53000000 | (sys(SYS_getpid) & 0xfffff) << 3 | n); }
static void nothing(int s, struct siginfo* i, struct ucontext* c) {}

// --- semaphores ---------------------------------------------------------------------------------------------
static long new_set(int n) {
  const long id = sys(SYS_semget, 0, n, 0600);
  CHECK(id >= 0);
  return id;
}
static long set_value(long id, int number, int value) { union semun u = {.val = value}; return sys(SYS___semctl, id, number, SETVAL, &u); }
static long op(long id, int number, int change, int flags) {
  struct sembuf b = {(uint16_t)number, (int16_t)change, (int16_t)flags};
  return sys(SYS_semop, id, &b, 1);
}
static void remove_set(long id) { CHECK_EQ(sys(SYS___semctl, id, 0, IPC_RMID, 0), 0); }

CASE(sem_get) {
  const int key = own_key(0);
  CHECK_EQ(sys(SYS_semget, key, 2, 0600), -ENOENT);
  CHECK_EQ(sys(SYS_semget, key, 0, IPC_CREAT | 0600), -EINVAL);
  CHECK_EQ(sys(SYS_semget, key, -1, IPC_CREAT | 0600), -EINVAL);
  CHECK_EQ(sys(SYS_semget, key, 341, IPC_CREAT | 0600), -EINVAL);
  const long id = sys(SYS_semget, key, 2, IPC_CREAT | IPC_EXCL | 0640);
  CHECK(id >= 0);
  CHECK_EQ(sys(SYS_semget, key, 2, IPC_CREAT | IPC_EXCL | 0600), -EEXIST);
  CHECK_EQ(sys(SYS_semget, key, 900, IPC_CREAT | IPC_EXCL | 0600), -EEXIST);
  CHECK_EQ(sys(SYS_semget, key, 2, IPC_CREAT | 0600), id);
  CHECK_EQ(sys(SYS_semget, key, 0, 0), id);
  CHECK_EQ(sys(SYS_semget, key, -5, 0), id);
  CHECK_EQ(sys(SYS_semget, key, 3, 0600), -EINVAL);
  CHECK_EQ(sys(SYS_semget, key, 0, 0700), -EACCES);             // execution is never granted
  CHECK_EQ(sys(SYS_semget, key | 0xffffffff00000000, 2, 0), id);   // an int
  remove_set(id);
  CHECK_EQ(sys(SYS_semget, key, 2, 0600), -ENOENT);
  CHECK_EQ(sys(SYS___semctl, id, 0, IPC_RMID, 0), -EINVAL);
  CHECK_EQ(sys(SYS___semctl, -1, 0, IPC_RMID, 0), -EINVAL);
}
CASE(sem_values) {
  const long id = new_set(3);
  CHECK_EQ(sys(SYS___semctl, id, 1, GETVAL, 0), 0);
  CHECK_EQ(set_value(id, 1, 5), 0);
  CHECK_EQ(sys(SYS___semctl, id, 1, GETVAL, 0), 5);
  CHECK_EQ(set_value(id, 1, 32767), 0);
  CHECK_EQ(set_value(id, 1, 32768), -ERANGE);
  CHECK_EQ(set_value(id, 1, -1), -ERANGE);
  CHECK_EQ(set_value(id, 3, 1), -EINVAL);
  CHECK_EQ(set_value(id, 3, -1), -EINVAL);
  CHECK_EQ(set_value(id, -1, 1), -EINVAL);
  CHECK_EQ(set_value(-1, 0, -1), -EINVAL);
  CHECK_EQ(sys(SYS___semctl, id, 3, GETVAL, 0), -EINVAL);
  uint16_t in[3] = {7, 8, 9}, out[4] = {0, 0, 0, 99};
  union semun u = {.array = in};
  CHECK_EQ(sys(SYS___semctl, id, 0, SETALL, &u), 0);
  u.array = out;
  CHECK_EQ(sys(SYS___semctl, id, 0, GETALL, &u), 0);
  CHECK(out[0] == 7 && out[1] == 8 && out[2] == 9 && out[3] == 99);
  in[2] = 40000;
  u.array = in;
  CHECK_EQ(sys(SYS___semctl, id, 0, SETALL, &u), -ERANGE);
  CHECK_EQ(op(id, 2, 1, 0), 0);
  CHECK_EQ(sys(SYS___semctl, id, 2, GETPID, 0), sys(SYS_getpid));
  CHECK_EQ(sys(SYS___semctl, id, 2, GETNCNT, 0), 0);
  CHECK_EQ(sys(SYS___semctl, id, 2, GETZCNT, 0), 0);
  CHECK_EQ(sys(SYS___semctl, id, 0, 11, 0), -EINVAL);
  CHECK_EQ(sys(SYS___semctl, id, 0, 99, 0), -EINVAL);
  CHECK_EQ(sys(SYS___semctl, id, 0, -1, 0), -EINVAL);
  remove_set(id);
}
CASE(sem_bad_pointers) {
  const long id = new_set(2);
  const unsigned long bad[] = {0, 8, kHost, kKernel, ~0UL};
  for (int i = 0; i < 5; ++i) {
    for (int cmd = IPC_SET; cmd <= SEM_STAT; ++cmd) {
      if (cmd == GETNCNT || cmd == GETPID || cmd == GETVAL || cmd == GETZCNT) continue;
      CHECK_EQ(sys(SYS___semctl, id, 0, cmd, bad[i]), -EFAULT);
      CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, cmd, bad[i]), -EFAULT);
      if (cmd == SETVAL || cmd == SEM_STAT) continue;
      union semun u = {.buf = (void*)bad[i]};
      CHECK_EQ(sys(SYS___semctl, id, 0, cmd, &u), -EFAULT);
      CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, cmd, &u), -EFAULT);
    }
    CHECK_EQ(sys(SYS_semop, id, bad[i], 1), -EFAULT);
  }
  // An array and a structure that end where memory does.
  char* edge = map(2 * kPage) + kPage;
  CHECK_EQ(sys(SYS_munmap, edge, kPage), 0);
  union semun u = {.array = (uint16_t*)(edge - 2)};
  CHECK_EQ(sys(SYS___semctl, id, 0, GETALL, &u), -EFAULT);
  u.array = (uint16_t*)(edge - 4);
  CHECK_EQ(sys(SYS___semctl, id, 0, GETALL, &u), 0);
  u.buf = edge - sizeof(struct semid_ds) + 1;
  CHECK_EQ(sys(SYS___semctl, id, 0, IPC_STAT, &u), -EFAULT);
  u.buf = edge - sizeof(struct semid_ds);
  CHECK_EQ(sys(SYS___semctl, id, 0, IPC_STAT, &u), 0);
  remove_set(id);
}
CASE(sem_stat_and_set) {
  const int key = own_key(1);
  const long id = sys(SYS_semget, key, 4, IPC_CREAT | IPC_EXCL | 0640);
  struct semid_ds ds;
  memset(&ds, 0xee, sizeof ds);
  union semun u = {.buf = &ds};
  CHECK_EQ(sys(SYS___semctl, id, 0, IPC_STAT, &u), 0);
  CHECK_EQ(ds.sem_perm.cuid, sys(SYS_geteuid));
  CHECK_EQ(ds.sem_perm.uid, sys(SYS_geteuid));
  CHECK_EQ(ds.sem_perm.gid, sys(SYS_getegid));
  CHECK_EQ(ds.sem_perm.mode, 01640);
  CHECK_EQ(ds.sem_perm.key, key);
  CHECK_EQ(ds.sem_nsems, 4);
  CHECK_EQ(ds.sem_otime, 0);
  CHECK(ds.sem_ctime > 1000000000);
  CHECK_EQ((long)ds.base, 0);
  ds.sem_perm.mode = 0604;
  CHECK_EQ(sys(SYS___semctl, id, 0, IPC_SET, &u), 0);
  CHECK_EQ(op(id, 0, 1, 0), 0);
  struct semid_ds_old old;
  memset(&old, 0xee, sizeof old);
  u.buf = &old;
  CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, IPC_STAT, &u), 0);
  CHECK_EQ(old.sem_perm.mode, 01604);
  CHECK_EQ(old.sem_perm.cuid, (uint16_t)sys(SYS_geteuid));
  CHECK_EQ(old.sem_nsems, 4);
  CHECK_EQ(old.sem_perm.key, key);
  CHECK(old.sem_otime >= old.sem_ctime);
  old.sem_perm.mode = 0600;
  CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, IPC_SET, &u), 0);
  union semun value = {.val = 3};
  CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, SETVAL, &value), 0);
  CHECK_EQ(sys(SYS_freebsd7___semctl, id, 0, GETVAL, 0), 3);
  // By index: some index has this set.
  u.buf = &ds;
  bool found = false;
  for (int i = 0; i < 40000 && !found; ++i) found = sys(SYS___semctl, i, 0, SEM_STAT, &u) == id;
  CHECK(found);
  CHECK_EQ(ds.sem_perm.key, key);
  CHECK_EQ(sys(SYS___semctl, -1, 0, SEM_STAT, &u), -EINVAL);
  remove_set(id);
}
CASE(sem_operations) {
  const long id = new_set(2);
  CHECK_EQ(op(id, 0, 3, 0), 0);
  CHECK_EQ(op(id, 0, -2, 0), 0);
  CHECK_EQ(op(id, 0, -2, IPC_NOWAIT), -EAGAIN);
  CHECK_EQ(op(id, 0, 0, IPC_NOWAIT), -EAGAIN);
  CHECK_EQ(op(id, 1, 0, 0), 0);
  CHECK_EQ(op(id, 2, 1, 0), -EFBIG);
  CHECK_EQ(op(-1, 0, 1, 0), -EINVAL);
  CHECK_EQ(op(id, 0, 32767, 0), -ERANGE);
  CHECK_EQ(sys(SYS_semop, id, 0, 0), 0);
  CHECK_EQ(sys(SYS_semop, 0x7fff7fff, 0, 0), -EINVAL);
  static struct sembuf many[101];
  CHECK_EQ(sys(SYS_semop, id, many, 101), -E2BIG);
  CHECK_EQ(sys(SYS_semop, id, many, 1UL << 32), -E2BIG);
  for (int i = 0; i < 100; ++i) many[i] = (struct sembuf){1, 1, 0};
  CHECK_EQ(sys(SYS_semop, id, many, 100), 0);
  CHECK_EQ(sys(SYS___semctl, id, 1, GETVAL, 0), 100);
  // All or nothing.
  struct sembuf two[2] = {{0, 5, 0}, {1, -101, IPC_NOWAIT}};
  CHECK_EQ(sys(SYS_semop, id, two, 2), -EAGAIN);
  CHECK_EQ(sys(SYS___semctl, id, 0, GETVAL, 0), 1);
  remove_set(id);
}
CASE(sem_wait_and_wake) {
  alarm_after(60);
  const long id = new_set(2);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(op(id, 0, -1, 0), 0);
    CHECK_EQ(op(id, 1, 1, 0), 0);
    quit(0);
  }
  while (sys(SYS___semctl, id, 0, GETNCNT, 0) != 1) sleep_ms(1);
  CHECK_EQ(op(id, 0, 1, 0), 0);
  CHECK_EQ(op(id, 1, -1, 0), 0);
  CHECK_EQ(sys(SYS___semctl, id, 0, GETPID, 0), pid);
  expect_exit(pid, 0);
  // Waiting for zero.
  CHECK_EQ(set_value(id, 0, 1), 0);
  const long zero = start_process();
  if (zero == 0) quit((int)-op(id, 0, 0, 0));
  while (sys(SYS___semctl, id, 0, GETZCNT, 0) != 1) sleep_ms(1);
  CHECK_EQ(op(id, 0, -1, 0), 0);
  expect_exit(zero, 0);
  // The set goes while somebody waits.
  const long gone = start_process();
  if (gone == 0) quit((int)-op(id, 0, -1, 0));
  while (sys(SYS___semctl, id, 0, GETNCNT, 0) != 1) sleep_ms(1);
  remove_set(id);
  expect_exit(gone, EIDRM);
}
CASE(sem_undo) {
  const long id = new_set(1);
  CHECK_EQ(set_value(id, 0, 5), 0);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(op(id, 0, -3, SEM_UNDO), 0);
    CHECK_EQ(sys(SYS___semctl, id, 0, GETVAL, 0), 2);
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS___semctl, id, 0, GETVAL, 0), 5);
  remove_set(id);
}
static void take_one(struct thread* t) { CHECK_EQ(op((long)t->arg, 0, -1, SEM_UNDO), 0); }
CASE(sem_undo_is_the_process_s) {   // not the thread's
  const long id = new_set(1);
  CHECK_EQ(set_value(id, 0, 2), 0);
  struct thread t;
  thread_start(&t, take_one, (void*)id);
  thread_join(&t);
  sleep_ms(20);
  CHECK_EQ(sys(SYS___semctl, id, 0, GETVAL, 0), 1);
  remove_set(id);
}
CASE(sem_interrupted) {   // never made again
  on_signal(SIGALRM, nothing, SA_RESTART);
  const long id = new_set(1);
  struct itimerval t = {{0, 0}, {0, 30000}};
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  CHECK_EQ(op(id, 0, -1, 0), -EINTR);
  remove_set(id);
}
CASE(semsys) {
  const long id = sys(SYS_semsys, 1, 0, 2, 0600);
  CHECK(id >= 0);
  struct sembuf b = {1, 4, 0};
  CHECK_EQ(sys(SYS_semsys, 2, id, &b, 1), 0);
  CHECK_EQ(sys(SYS_semsys, 0, id, 1, GETVAL, 0), 4);
  CHECK_EQ(sys(SYS_semsys, 0, id, 0, IPC_RMID, 0), 0);
  CHECK_EQ(sys(SYS_semsys, 3, 0, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_semsys, -1, 0, 0, 0), -EINVAL);
}

// --- message queues -----------------------------------------------------------------------------------------
struct message { long type; char text[120]; };
static long new_queue(void) {
  const long id = sys(SYS_msgget, 0, 0600);
  CHECK(id >= 0);
  return id;
}
static void remove_queue(long id) { CHECK_EQ(sys(SYS_msgctl, id, IPC_RMID, 0), 0); }
static long post(long id, long type, const char* text) {
  struct message m = {type};
  memcpy(m.text, text, strlen(text) + 1);
  return sys(SYS_msgsnd, id, &m, strlen(text) + 1, IPC_NOWAIT);
}

CASE(msg_get) {
  const int key = own_key(2);
  CHECK_EQ(sys(SYS_msgget, key, 0600), -ENOENT);
  const long id = sys(SYS_msgget, key, IPC_CREAT | 0600);
  CHECK(id >= 0);
  CHECK_EQ(sys(SYS_msgget, key, IPC_CREAT | 0600), id);
  CHECK_EQ(sys(SYS_msgget, key, 0), id);
  CHECK_EQ(sys(SYS_msgget, key, IPC_CREAT | IPC_EXCL | 0600), -EEXIST);
  CHECK_EQ(sys(SYS_msgget, key, 0100), -EACCES);
  remove_queue(id);
  CHECK_EQ(sys(SYS_msgget, key, 0), -ENOENT);
  CHECK_EQ(sys(SYS_msgctl, id, IPC_RMID, 0), -EINVAL);
}
CASE(msg_order_and_types) {
  const long id = new_queue();
  CHECK_EQ(post(id, 5, "five"), 0);
  CHECK_EQ(post(id, 3, "three"), 0);
  CHECK_EQ(post(id, 5, "five again"), 0);
  struct message m;
  CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, 3, 0), 6);
  CHECK_EQ(m.type, 3);
  CHECK_EQ(strcmp(m.text, "three"), 0);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, 7, IPC_NOWAIT), -ENOMSG);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, -4, IPC_NOWAIT), -ENOMSG);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, -6, 0), 5);
  CHECK_EQ(m.type, 5);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, 4, 0, 0), -E2BIG);
  memset(&m, 0, sizeof m);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, 4, 0, MSG_NOERROR), 4);
  CHECK(memcmp(m.text, "five", 5) == 0);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, 0, IPC_NOWAIT), -ENOMSG);
  m.type = 1;
  CHECK_EQ(sys(SYS_msgsnd, id, &m, 0, 0), 0);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, ~0UL, 0, 0), 0);   // any size will do
  remove_queue(id);
}
CASE(msg_errors) {
  const long id = new_queue();
  struct message m = {1};
  for (long type = 0; type > -3; --type) { m.type = type; CHECK_EQ(sys(SYS_msgsnd, id, &m, 1, 0), -EINVAL); }
  m.type = 1;
  CHECK_EQ(sys(SYS_msgsnd, -1, &m, 1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_msgrcv, -1, &m, 1, 0, 0), -EINVAL);
  static struct { long type; char text[70000]; } large = {1};
  CHECK_EQ(sys(SYS_msgsnd, id, &large, sizeof large.text, 0), -EINVAL);
  CHECK_EQ(sys(SYS_msgsnd, id, &large, 1UL << 40, 0), -EINVAL + 0 * sizeof large);
  const unsigned long bad[] = {0, 8, kHost, kKernel, ~0UL, ~0UL - 4};
  for (int i = 0; i < 6; ++i) {
    CHECK_EQ(sys(SYS_msgsnd, id, bad[i], 1, 0), -EFAULT);
    CHECK_EQ(sys(SYS_msgctl, id, IPC_STAT, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_msgctl, id, IPC_SET, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_STAT, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_SET, bad[i]), -EFAULT);
    CHECK_EQ(post(id, 1, "x"), 0);
    CHECK_EQ(sys(SYS_msgrcv, id, bad[i], 8, 0, IPC_NOWAIT), -EFAULT);
    sys(SYS_msgrcv, id, &m, 8, 0, IPC_NOWAIT);
  }
  CHECK_EQ(sys(SYS_msgctl, id, IPC_INFO, &m), -EINVAL);
  CHECK_EQ(sys(SYS_msgctl, id, 11, &m), -EINVAL);
  char* edge = map(2 * kPage) + kPage;
  CHECK_EQ(sys(SYS_munmap, edge, kPage), 0);
  *(long*)(edge - 12) = 1;
  CHECK_EQ(sys(SYS_msgsnd, id, edge - 12, 5, 0), -EFAULT);
  CHECK_EQ(sys(SYS_msgsnd, id, edge - 12, 4, 0), 0);
  CHECK_EQ(sys(SYS_msgrcv, id, edge - 12, 4096, 0, 0), 4);
  remove_queue(id);
}
CASE(msg_stat_and_set) {
  const int key = own_key(3);
  const long id = sys(SYS_msgget, key, IPC_CREAT | 0640);
  CHECK_EQ(post(id, 1, "abc"), 0);
  struct msqid_ds ds;
  memset(&ds, 0xee, sizeof ds);
  CHECK_EQ(sys(SYS_msgctl, id, IPC_STAT, &ds), 0);
  CHECK_EQ(ds.msg_perm.uid, sys(SYS_geteuid));
  CHECK_EQ(ds.msg_perm.mode, 0640);
  CHECK_EQ(ds.msg_perm.key, key);
  CHECK_EQ(ds.msg_qnum, 1);
  CHECK_EQ(ds.msg_cbytes, 4);
  CHECK_EQ(ds.msg_lspid, sys(SYS_getpid));
  CHECK_EQ(ds.msg_lrpid, 0);
  CHECK(ds.msg_stime >= ds.msg_ctime && ds.msg_ctime > 1000000000);
  CHECK_EQ(ds.msg_rtime, 0);
  CHECK_EQ((long)ds.first | (long)ds.last, 0);
  const unsigned long limit = ds.msg_qbytes;
  ds.msg_qbytes = 0;
  CHECK_EQ(sys(SYS_msgctl, id, IPC_SET, &ds), -EINVAL);
  ds.msg_qbytes = 64;
  ds.msg_perm.mode = 0600;
  CHECK_EQ(sys(SYS_msgctl, id, IPC_SET, &ds), 0);
  // A message longer than the queue will never do; one that is too much now may.
  struct message m = {1};
  CHECK_EQ(sys(SYS_msgsnd, id, &m, 65, 0), -EINVAL);
  CHECK_EQ(sys(SYS_msgsnd, id, &m, 64, IPC_NOWAIT), -EAGAIN);
  CHECK_EQ(sys(SYS_msgsnd, id, &m, 60, IPC_NOWAIT), 0);
  // Growing takes privilege, and ends silently at the system's limit.
  ds.msg_qbytes = limit + 1;
  const bool root = sys(SYS_geteuid) == 0;
  CHECK_EQ(sys(SYS_msgctl, id, IPC_SET, &ds), root ? 0 : -EPERM);
  struct msqid_ds_old old;
  memset(&old, 0xee, sizeof old);
  CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_STAT, &old), 0);
  CHECK_EQ(old.msg_qbytes, root ? limit : 64);
  CHECK_EQ(old.msg_perm.mode, 0600);
  CHECK_EQ(old.msg_perm.key, key);
  CHECK_EQ(old.msg_qnum, 2);
  CHECK_EQ(old.msg_lspid, sys(SYS_getpid));
  CHECK(old.msg_stime > 1000000000 && old.msg_ctime > 1000000000);
  old.msg_qbytes = 32;
  CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_SET, &old), 0);
  CHECK_EQ(sys(SYS_freebsd7_msgctl, id, IPC_RMID, 0), 0);
  CHECK_EQ(sys(SYS_msgctl, id, IPC_STAT, &ds), -EINVAL);
}
CASE(msg_wait_and_wake) {
  alarm_after(60);
  const long id = new_queue();
  const long pid = start_process();
  struct message m;
  if (pid == 0) {
    CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, 2, 0), 6);
    CHECK_EQ(strcmp(m.text, "hello"), 0);
    quit(0);
  }
  sleep_ms(20);
  CHECK_EQ(post(id, 1, "no"), 0);
  CHECK_EQ(post(id, 2, "hello"), 0);
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, sizeof m.text, 0, 0), 3);
  // A full queue holds the sender up.
  struct msqid_ds ds;
  CHECK_EQ(sys(SYS_msgctl, id, IPC_STAT, &ds), 0);
  ds.msg_qbytes = 10;
  CHECK_EQ(sys(SYS_msgctl, id, IPC_SET, &ds), 0);
  m.type = 1;
  CHECK_EQ(sys(SYS_msgsnd, id, &m, 10, 0), 0);
  const long sender = start_process();
  if (sender == 0) quit((int)-sys(SYS_msgsnd, id, &m, 10, 0));
  sleep_ms(20);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, 10, 0, 0), 10);
  expect_exit(sender, 0);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, 10, 0, 0), 10);
  const long gone = start_process();
  if (gone == 0) quit((int)-sys(SYS_msgrcv, id, &m, 10, 0, 0));
  sleep_ms(50);
  remove_queue(id);
  expect_exit(gone, EIDRM);
}
CASE(msg_interrupted) {
  on_signal(SIGALRM, nothing, SA_RESTART);
  const long id = new_queue();
  struct message m = {1};
  struct itimerval t = {{0, 0}, {0, 30000}};
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_msgrcv, id, &m, 10, 0, 0), -EINTR);
  while (sys(SYS_msgsnd, id, &m, 100, IPC_NOWAIT) == 0) {}
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_msgsnd, id, &m, 100, 0), -EINTR);
  remove_queue(id);
}
CASE(msgsys) {
  const long id = sys(SYS_msgsys, 1, 0, 0600);
  CHECK(id >= 0);
  struct message m = {9, "q"};
  CHECK_EQ(sys(SYS_msgsys, 2, id, &m, 2, 0), 0);
  memset(&m, 0, sizeof m);
  CHECK_EQ(sys(SYS_msgsys, 3, id, &m, 100, 0, 0), 2);
  CHECK(m.type == 9 && m.text[0] == 'q');
  CHECK_EQ(sys(SYS_msgsys, 0, id, IPC_RMID, 0), 0);
  CHECK_EQ(sys(SYS_msgsys, 4, 0, 0, 0), -EINVAL);
}

// --- shared memory ------------------------------------------------------------------------------------------
static long new_segment(size_t size) {
  const long id = sys(SYS_shmget, 0, size, 0600);
  CHECK(id >= 0);
  return id;
}
static void remove_segment(long id) { CHECK_EQ(sys(SYS_shmctl, id, IPC_RMID, 0), 0); }

CASE(shm_get) {
  const int key = own_key(4);
  CHECK_EQ(sys(SYS_shmget, key, 100, 0600), -ENOENT);
  CHECK_EQ(sys(SYS_shmget, key, 0, IPC_CREAT | 0600), -EINVAL);
  CHECK_EQ(sys(SYS_shmget, key, ~0UL, IPC_CREAT | 0600), -EINVAL);
  const long id = sys(SYS_shmget, key, 100, IPC_CREAT | 0600);
  CHECK(id >= 0);
  CHECK_EQ(sys(SYS_shmget, key, 100, IPC_CREAT | 0600), id);
  CHECK_EQ(sys(SYS_shmget, key, 4096, 0777), id);   // whole pages; no permission is asked for
  CHECK_EQ(sys(SYS_shmget, key, 4097, 0), -EINVAL);
  CHECK_EQ(sys(SYS_shmget, key, 0, 0), id);
  CHECK_EQ(sys(SYS_shmget, key, 100, IPC_CREAT | IPC_EXCL | 0600), -EEXIST);
  remove_segment(id);
  CHECK_EQ(sys(SYS_shmget, key, 0, 0), -ENOENT);
}
CASE(shm_attach) {
  const long id = new_segment(2 * kPage);
  char* a = (char*)sys(SYS_shmat, id, 0, 0);
  CHECK((long)a > 0 && (unsigned long)a < 0x2a0000000000);
  CHECK_EQ(a[0] + a[2 * kPage - 1], 0);
  char* b = (char*)sys(SYS_shmat, id, 0, SHM_RDONLY);
  CHECK((long)b > 0 && a != b);
  a[kPage] = 'x';
  CHECK_EQ(b[kPage], 'x');
  struct shmid_ds ds;
  CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
  CHECK_EQ(ds.shm_nattch, 2);
  // Shared with a child, which takes it along.
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
    CHECK_EQ(ds.shm_nattch, 4);
    a[0] = 'c';
    CHECK_EQ(sys(SYS_shmdt, a), 0);
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(b[0], 'c');
  CHECK_EQ(sys(SYS_shmdt, a + kPage), -EINVAL);
  CHECK_EQ(sys(SYS_shmdt, a), 0);
  CHECK_EQ(sys(SYS_shmdt, a), -EINVAL);
  CHECK_EQ(sys(SYS_shmdt, 0), -EINVAL);
  CHECK_EQ(sys(SYS_shmdt, kHost), -EINVAL);
  CHECK_EQ(sys(SYS_shmdt, kKernel), -EINVAL);
  // It lives as long as it is attached.
  remove_segment(id);
  CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
  CHECK_EQ(ds.shm_perm.mode, 0x800 | 0x400 | 0600);
  CHECK_EQ(ds.shm_perm.key, 0);
  char* again = (char*)sys(SYS_shmat, id, 0, 0);
  CHECK_EQ(again[0], 'c');
  CHECK_EQ(sys(SYS_shmdt, again), 0);
  CHECK_EQ(sys(SYS_shmdt, b), 0);
  CHECK_EQ(sys(SYS_shmat, id, 0, 0), -EINVAL);
}
CASE(shm_attach_at) {
  const long id = new_segment(2 * kPage);
  char* p = map(4 * kPage);
  p[2 * kPage] = 'p';
  CHECK_EQ(sys(SYS_shmat, id, p, 0), -ENOMEM);               // something is there
  CHECK_EQ(sys(SYS_shmat, id, p + 1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_shmat, id, p, SHM_REMAP), p);              // its bits imply reading only
  CHECK_EQ(p[0], 0);
  CHECK_EQ(p[2 * kPage], 'p');
  CHECK_EQ(sys(SYS_shmdt, p), 0);
  CHECK_EQ(sys(SYS_shmat, id, p + 100, SHM_RND), p);
  p[1] = 'w';
  CHECK_EQ(sys(SYS_shmdt, p), 0);
  CHECK_EQ(sys(SYS_shmat, id, p, 0), p);                      // now it is free
  CHECK_EQ(p[1], 'w');
  CHECK_EQ(sys(SYS_shmat, id, p + kPage, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_shmdt, p), 0);
  CHECK_EQ(sys(SYS_shmat, id, kHost, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_shmat, id, kKernel, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_shmat, id, ~0UL & ~4095UL, 0), -ENOMEM);
  CHECK_EQ(sys(SYS_shmat, id, 100, SHM_RND), -ENOMEM);
  CHECK_EQ(sys(SYS_shmat, -1, 0, 0), -EINVAL);
  CHECK_EQ(sys(SYS_shmat, -1, p, 0), -EINVAL);
  remove_segment(id);
  // A large one, many times.
  const long large = new_segment(64 << 20);
  for (int i = 0; i < 50; ++i) {
    char* at = (char*)sys(SYS_shmat, large, 0, 0);
    CHECK((long)at > 0);
    at[(64 << 20) - 1] = 1;
    CHECK_EQ(sys(SYS_shmdt, at), 0);
  }
  remove_segment(large);
}
CASE(shm_read_only_is_read_only) {
  const long id = new_segment(kPage);
  char* p = (char*)sys(SYS_shmat, id, 0, SHM_RDONLY);
  int ends[2];
  make_pipe(ends);
  CHECK_EQ(sys(SYS_write, ends[1], "x", 1), 1);
  CHECK_EQ(sys(SYS_read, ends[0], p, 1), -EFAULT);
  remove_segment(id);
}
CASE(shm_stat_and_set) {
  const int key = own_key(5);
  const long id = sys(SYS_shmget, key, 5000, IPC_CREAT | 0640);
  struct shmid_ds ds;
  memset(&ds, 0xee, sizeof ds);
  CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
  CHECK_EQ(ds.shm_perm.mode, 0x800 | 0640);
  CHECK_EQ(ds.shm_perm.key, key);
  CHECK_EQ(ds.shm_perm.cuid, sys(SYS_geteuid));
  CHECK_EQ(ds.shm_segsz, 2 * kPage);
  CHECK_EQ(ds.shm_cpid, sys(SYS_getpid));
  CHECK_EQ(ds.shm_lpid, 0);
  CHECK_EQ(ds.shm_nattch, 0);
  CHECK(ds.shm_atime == 0 && ds.shm_dtime == 0 && ds.shm_ctime > 1000000000);
  ds.shm_perm.mode = 0604;
  CHECK_EQ(sys(SYS_shmctl, id, IPC_SET, &ds), 0);
  char* p = (char*)sys(SYS_shmat, id, 0, 0);
  struct shmid_ds_old old;
  memset(&old, 0xee, sizeof old);
  CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_STAT, &old), 0);
  CHECK_EQ(old.shm_perm.mode, 0x800 | 0604);
  CHECK_EQ(old.shm_perm.key, key);
  CHECK_EQ(old.shm_segsz, 2 * kPage);
  CHECK_EQ(old.shm_nattch, 1);
  CHECK_EQ(old.shm_lpid, sys(SYS_getpid));
  CHECK(old.shm_atime > 1000000000 && old.shm_dtime == 0);
  CHECK_EQ((long)old.internal, 0);
  old.shm_perm.mode = 0600;
  CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_SET, &old), 0);
  CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), 0);
  CHECK_EQ(ds.shm_perm.mode, 0x800 | 0600);
  const unsigned long bad[] = {0, 8, kHost, kKernel, ~0UL};
  for (int i = 0; i < 5; ++i)
    for (int cmd = IPC_SET; cmd <= IPC_STAT; ++cmd) {
      CHECK_EQ(sys(SYS_shmctl, id, cmd, bad[i]), -EFAULT);
      CHECK_EQ(sys(SYS_freebsd7_shmctl, id, cmd, bad[i]), -EFAULT);
    }
  for (int cmd = IPC_INFO; cmd < 16; ++cmd) {
    CHECK_EQ(sys(SYS_shmctl, id, cmd, &ds), -EINVAL);
    CHECK_EQ(sys(SYS_freebsd7_shmctl, id, cmd, &old), -EINVAL);
  }
  CHECK_EQ(sys(SYS_shmctl, -1, IPC_STAT, &ds), -EINVAL);
  CHECK_EQ(sys(SYS_freebsd7_shmctl, id, IPC_RMID, 0), 0);
  CHECK_EQ(sys(SYS_shmdt, p), 0);
  CHECK_EQ(sys(SYS_shmctl, id, IPC_STAT, &ds), -EINVAL);
}
// Somebody else's objects. Only a privileged process can become somebody else.
CASE(permissions) {
  if (sys(SYS_geteuid) != 0) return;
  const long sem = new_set(1), queue = new_queue(), segment = new_segment(kPage);
  const int key = own_key(6);
  const long keyed = sys(SYS_shmget, key, kPage, IPC_CREAT | 0600);
  const long keyed_sem = sys(SYS_semget, key, 1, IPC_CREAT | 0600);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(181, 65534), 0);   // setgid
    CHECK_EQ(sys(23, 65534), 0);    // setuid
    struct message m = {1};
    union semun u = {.val = 1};
    struct shmid_ds shm = {};
    struct msqid_ds msg = {.msg_qbytes = 10};
    CHECK_EQ(op(sem, 0, 1, 0), -EACCES);
    CHECK_EQ(sys(SYS_semop, sem, 0, 0), 0);
    CHECK_EQ(sys(SYS___semctl, sem, 0, GETVAL, 0), -EACCES);
    CHECK_EQ(sys(SYS___semctl, sem, 0, SETVAL, &u), -EACCES);
    CHECK_EQ(sys(SYS___semctl, sem, 0, IPC_RMID, 0), -EACCES);
    CHECK_EQ(sys(SYS_semget, key, 1, 0), keyed_sem);
    CHECK_EQ(sys(SYS_semget, key, 9, 0400), -EACCES);
    CHECK_EQ(sys(SYS_semget, key, 1, IPC_CREAT | IPC_EXCL | 0600), -EEXIST);
    CHECK_EQ(sys(SYS_msgsnd, queue, &m, 1, 0), -EACCES);
    CHECK_EQ(sys(SYS_msgrcv, queue, &m, 1, 0, IPC_NOWAIT), -EACCES);
    CHECK_EQ(sys(SYS_msgctl, queue, IPC_STAT, &msg), -EACCES);
    CHECK_EQ(sys(SYS_msgctl, queue, IPC_SET, &msg), -EACCES);
    CHECK_EQ(sys(SYS_msgctl, queue, IPC_RMID, 0), -EACCES);
    CHECK_EQ(sys(SYS_shmat, segment, 0, 0), -EACCES);
    CHECK_EQ(sys(SYS_shmat, segment, 0, SHM_RDONLY), -EACCES);
    CHECK_EQ(sys(SYS_shmctl, segment, IPC_STAT, &shm), -EACCES);
    CHECK_EQ(sys(SYS_shmctl, segment, IPC_SET, &shm), -EACCES);
    CHECK_EQ(sys(SYS_shmctl, segment, IPC_RMID, 0), -EACCES);
    CHECK_EQ(sys(SYS_shmget, key, 0, 0600), keyed);
    quit(0);
  }
  expect_exit(pid, 0);
  remove_set(sem);
  remove_set(keyed_sem);
  remove_queue(queue);
  remove_segment(segment);
  remove_segment(keyed);
}
