// Asynchronous I/O: files, sockets, lists, notices by signal and kqueue, cancelling.
// Structures and constants: FreeBSD 14.0 sys/sys/{aio,signal,event}.h.
#include "guest.h"

enum { ECANCELED = 85, SIGEV_NONE = 0, SIGEV_SIGNAL = 1, SIGEV_THREAD = 2, SIGEV_KEVENT = 3, SIGEV_THREAD_ID = 4, SI_ASYNCIO = 0x10004 };
enum { LIO_NOP, LIO_WRITE, LIO_READ, LIO_NOWAIT = 0, LIO_WAIT = 1, AIO_CANCELED = 1, AIO_NOTCANCELED, AIO_ALLDONE, EVFILT_AIO = -3, EVFILT_LIO = -10 };
enum { O_SYNC = 0x80, O_DSYNC = 0x1000000 };
enum { kPage = 4096 };
static const unsigned long kHost = 0x7f0000000000, kKernel = 0xffff800000000000;
union value { int i; void* ptr; long word; };
struct sigevent { int notify, signo; union value value; union { int thread_id; uint16_t kevent_flags; long spare[8]; } u; };
struct osigevent { int notify, signo; union value value; };
struct aiocb { int fd; long offset; volatile void* buf; size_t nbytes; int spare[2]; void* spare2; int opcode, reqprio; long status, error; void* kernelinfo; struct sigevent event; };
struct oaiocb { int fd; long offset; volatile void* buf; size_t nbytes; struct osigevent event; int opcode, reqprio; long status, error; void* kernelinfo; };
_Static_assert(sizeof(struct aiocb) == 160 && sizeof(struct oaiocb) == 80, "aiocb");

static void nothing(int s, struct siginfo* i, struct ucontext* c) {}
static long new_file(const char* content) {
  const long fd = sys(SYS_openat, AT_FDCWD, "aio.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  CHECK(fd >= 0);
  CHECK_EQ(sys(SYS_unlink, "aio.tmp"), 0);
  if (*content) CHECK_EQ(sys(SYS_write, fd, content, strlen(content)), strlen(content));
  return fd;
}
static void new_pair(int fds[2]) { CHECK_EQ(sys(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, fds), 0); }
static struct aiocb block_for(long fd, void* buffer, size_t size) { return (struct aiocb){.fd = (int)fd, .buf = buffer, .nbytes = size}; }
static long wait_done(struct aiocb* cb) {
  struct aiocb* list[1] = {cb};
  CHECK_EQ(sys(SYS_aio_suspend, list, 1, 0), 0);
  return sys(SYS_aio_error, cb);
}

CASE(files) {
  const long fd = new_file("0123456789");
  char text[20] = {0};
  struct aiocb r = block_for(fd, text, 5);
  CHECK_EQ(sys(SYS_aio_error, &r), EINVAL);      // nobody has used it
  r.offset = 3;
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 5);
  CHECK_EQ(memcmp(text, "34567", 6), 0);
  CHECK(r.status == 5 && r.error == 0);
  CHECK_EQ(sys(SYS_aio_return, &r), -EINVAL);    // once only
  CHECK_EQ(sys(SYS_aio_error, &r), EINVAL);
  struct aiocb w = block_for(fd, "abc", 3);
  w.offset = 9;
  CHECK_EQ(sys(SYS_aio_write, &w), 0);
  CHECK_EQ(wait_done(&w), 0);
  CHECK_EQ(sys(SYS_aio_return, &w), 3);
  r.offset = 8;
  r.nbytes = 20;
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 4);
  CHECK_EQ(memcmp(text, "8abc", 4), 0);
  r.offset = 100;
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 0);
  r.offset = 0;
  r.nbytes = 0;
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 0);
  CHECK_EQ(sys(SYS_lseek, fd, 0, 1), 10);        // the offset is not the file's
  for (int op = 0; op < 2; ++op) {
    struct aiocb s = {.fd = (int)fd, .buf = (void*)kKernel, .nbytes = 9};
    CHECK_EQ(sys(SYS_aio_fsync, op ? O_SYNC : O_DSYNC, &s), 0);
    CHECK_EQ(wait_done(&s), 0);
    CHECK_EQ(sys(SYS_aio_return, &s), 0);
  }
  CHECK_EQ(sys(SYS_aio_fsync, 0, &r), -EINVAL);
}
CASE(vectors) {
  const long fd = new_file("");
  struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdef", 4}};
  struct aiocb w = block_for(fd, out, 3);
  w.offset = 1;
  CHECK_EQ(sys(SYS_aio_writev, &w), 0);
  CHECK_EQ(wait_done(&w), 0);
  CHECK_EQ(sys(SYS_aio_return, &w), 6);
  char a[4], b[4];
  struct iovec in[2] = {{a, 3}, {b, 4}};
  struct aiocb r = block_for(fd, in, 2);
  CHECK_EQ(sys(SYS_aio_readv, &r), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 7);
  CHECK(memcmp(a, "\0ab", 3) == 0 && memcmp(b, "cdef", 4) == 0);
  r.nbytes = 1025;
  CHECK_EQ(sys(SYS_aio_readv, &r), -EINVAL);
  in[0].iov_len = 1UL << 63;
  r.nbytes = 2;
  CHECK_EQ(sys(SYS_aio_readv, &r), -EINVAL);
  r.buf = (void*)kHost;
  CHECK_EQ(sys(SYS_aio_readv, &r), -EFAULT);
  CHECK_EQ(sys(SYS_aio_error, &r), EFAULT);
}
CASE(errors) {
  const long fd = new_file("x");
  char text[8];
  struct aiocb cb = block_for(-1, text, 8);
  CHECK_EQ(sys(SYS_aio_read, &cb), -EBADF);
  CHECK_EQ(sys(SYS_aio_error, &cb), EBADF);
  CHECK_EQ(sys(SYS_aio_return, &cb), -EINVAL);
  cb.fd = 1000;
  CHECK_EQ(sys(SYS_aio_write, &cb), -EBADF);
  CHECK_EQ(sys(SYS_aio_fsync, O_SYNC, &cb), -EBADF);
  const long reader = sys(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
  cb.fd = (int)reader;
  CHECK_EQ(sys(SYS_aio_write, &cb), -EBADF);
  CHECK_EQ(sys(SYS_aio_read, &cb), -EOPNOTSUPP);
  int pipe[2];
  make_pipe(pipe);
  cb.fd = pipe[0];
  CHECK_EQ(sys(SYS_aio_read, &cb), -EOPNOTSUPP);
  CHECK_EQ(sys(SYS_aio_write, &cb), -EBADF);
  CHECK_EQ(sys(SYS_aio_fsync, O_SYNC, &cb), -EINVAL);
  cb.fd = (int)fd;
  cb.offset = -1;
  CHECK_EQ(sys(SYS_aio_read, &cb), -EINVAL);
  CHECK_EQ(sys(SYS_aio_error, &cb), EINVAL);
  cb.offset = 0;
  cb.nbytes = 1UL << 63;
  CHECK_EQ(sys(SYS_aio_read, &cb), -EINVAL);
  cb.nbytes = 8;
  const int notify[] = {SIGEV_THREAD, 5, -1};
  for (int i = 0; i < 3; ++i) { cb.event.notify = notify[i]; CHECK_EQ(sys(SYS_aio_read, &cb), -EINVAL); }
  cb.event.notify = SIGEV_SIGNAL;
  const int signals[] = {0, -1, 129};
  for (int i = 0; i < 3; ++i) { cb.event.signo = signals[i]; CHECK_EQ(sys(SYS_aio_read, &cb), -EINVAL); }
  cb.event.notify = SIGEV_NONE;
  const unsigned long bad[] = {0, 8, kHost, kKernel, ~0UL};
  for (int i = 0; i < 5; ++i) {
    CHECK_EQ(sys(SYS_aio_read, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_aio_write, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_aio_readv, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_aio_writev, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_aio_fsync, O_SYNC, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_aio_mlock, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_freebsd6_aio_read, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_freebsd6_aio_write, bad[i]), -EFAULT);
    CHECK_EQ(sys(SYS_aio_return, bad[i]), -EINVAL);
    CHECK_EQ(sys(SYS_aio_error, bad[i]), -1);
    CHECK_EQ(sys(SYS_aio_suspend, bad[i], 1, 0), -EFAULT);
    CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, bad[i], 1, 0), -EFAULT);
    // Bad buffers are found when the bytes move.
    cb.buf = (void*)bad[i];
    CHECK_EQ(sys(SYS_aio_read, &cb), 0);
    CHECK_EQ(wait_done(&cb), EFAULT);
    CHECK_EQ(sys(SYS_aio_return, &cb), -EFAULT);
    CHECK(cb.status == -1 && cb.error == EFAULT);
  }
  CHECK_EQ(sys(SYS_aio_cancel, -1, 0), -EBADF);
  CHECK_EQ(sys(SYS_aio_cancel, 1000, 0), -EBADF);
  CHECK_EQ(sys(SYS_aio_cancel, fd, 0), AIO_ALLDONE);
  CHECK_EQ(sys(SYS_aio_suspend, 0, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_aio_suspend, 0, 257, 0), -EINVAL);
  CHECK_EQ(sys(SYS_aio_suspend, 0, 0, 0), 0);
}
CASE(sockets) {
  alarm_after(60);
  int s[2];
  new_pair(s);
  char text[16] = {0};
  struct aiocb r = block_for(s[0], text, sizeof text);
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(sys(SYS_aio_error, &r), EINPROGRESS);
  CHECK_EQ(sys(SYS_aio_return, &r), -EINVAL);
  struct aiocb* list[1] = {&r};
  struct timespec short_time = {0, 30000000}, none = {0, 0}, wrong = {0, 1000000000};
  const long start = now_us();
  CHECK_EQ(sys(SYS_aio_suspend, list, 1, &short_time), -EAGAIN);
  CHECK(now_us() - start >= 20000);
  CHECK_EQ(sys(SYS_aio_suspend, list, 1, &none), -EAGAIN);
  CHECK_EQ(sys(SYS_aio_suspend, list, 1, &wrong), -EINVAL);
  CHECK_EQ(sys(SYS_aio_suspend, list, 1, kHost), -EFAULT);
  struct aiocb* which = (struct aiocb*)1;
  CHECK_EQ(sys(SYS_aio_waitcomplete, &which, &none), -EAGAIN);
  CHECK_EQ((long)which, 0);
  CHECK_EQ(sys(SYS_write, s[1], "hello", 5), 5);
  CHECK_EQ(sys(SYS_aio_waitcomplete, &which, 0), 5);
  CHECK_EQ(which, &r);
  CHECK(r.status == 5 && r.error == 0 && memcmp(text, "hello", 5) == 0);
  CHECK_EQ(sys(SYS_aio_return, &r), -EINVAL);
  // End of file, and what is there already.
  CHECK_EQ(sys(SYS_write, s[1], "now", 3), 3);
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 3);
  CHECK_EQ(sys(SYS_aio_read, &r), 0);
  CHECK_EQ(sys(SYS_close, s[1]), 0);
  CHECK_EQ(wait_done(&r), 0);
  CHECK_EQ(sys(SYS_aio_return, &r), 0);
  CHECK_EQ(sys(SYS_aio_fsync, O_SYNC, &r), -EINVAL);
}
CASE(socket_order_and_large_writes) {
  alarm_after(60);
  int s[2];
  new_pair(s);
  char a[4], b[4], c[4];
  struct aiocb one = block_for(s[0], a, 3), two = block_for(s[0], b, 3), three = block_for(s[0], c, 3);
  CHECK_EQ(sys(SYS_aio_read, &one), 0);
  CHECK_EQ(sys(SYS_aio_read, &two), 0);
  CHECK_EQ(sys(SYS_aio_read, &three), 0);
  CHECK_EQ(sys(SYS_write, s[1], "aaabbbccc", 9), 9);
  CHECK(wait_done(&one) == 0 && wait_done(&two) == 0 && wait_done(&three) == 0);
  CHECK(a[0] == 'a' && b[0] == 'b' && c[0] == 'c');
  // Three completions, in order.
  struct aiocb* which;
  CHECK_EQ(sys(SYS_aio_waitcomplete, &which, 0), 3);
  CHECK_EQ(which, &one);
  CHECK_EQ(sys(SYS_aio_waitcomplete, &which, 0), 3);
  CHECK_EQ(which, &two);
  CHECK_EQ(sys(SYS_aio_return, &three), 3);
  // A write that does not fit at once is done when all of it is.
  enum { kSize = 4 << 20 };
  unsigned char* out = map(kSize);
  for (int i = 0; i < kSize; ++i) out[i] = (unsigned char)(i * 7 + (i >> 12));
  struct iovec parts[2] = {{out, 1000001}, {out + 1000001, kSize - 1000001}};
  struct aiocb w = block_for(s[0], parts, 2);
  CHECK_EQ(sys(SYS_aio_writev, &w), 0);
  CHECK_EQ(sys(SYS_aio_error, &w), EINPROGRESS);
  unsigned char* in = map(kSize);
  for (long got = 0; got < kSize;) {
    const long n = sys(SYS_read, s[1], in + got, kSize - got);
    CHECK(n > 0);
    got += n;
  }
  CHECK_EQ(wait_done(&w), 0);
  CHECK_EQ(sys(SYS_aio_return, &w), kSize);
  CHECK_EQ(memcmp(in, out, kSize), 0);
}
CASE(cancel) {
  int s[2];
  new_pair(s);
  char a[4], b[4];
  struct aiocb one = block_for(s[0], a, 3), two = block_for(s[0], b, 3);
  CHECK_EQ(sys(SYS_aio_read, &one), 0);
  CHECK_EQ(sys(SYS_aio_read, &two), 0);
  CHECK_EQ(sys(SYS_aio_cancel, s[1], 0), AIO_ALLDONE);
  CHECK_EQ(sys(SYS_aio_cancel, s[0], &two), AIO_CANCELED);
  CHECK_EQ(sys(SYS_aio_error, &two), ECANCELED);
  CHECK_EQ(sys(SYS_aio_error, &one), EINPROGRESS);
  CHECK_EQ(sys(SYS_aio_return, &two), -ECANCELED);
  CHECK_EQ(sys(SYS_aio_cancel, s[0], &two), AIO_ALLDONE);
  CHECK_EQ(sys(SYS_aio_cancel, s[0], 0), AIO_CANCELED);
  CHECK_EQ(sys(SYS_aio_return, &one), -ECANCELED);
  CHECK(one.status == -1 && one.error == ECANCELED);
  // Nothing keeps the socket open any more.
  CHECK_EQ(sys(SYS_close, s[0]), 0);
  struct pollfd p = {s[1], POLLIN, 0};
  CHECK_EQ(sys(SYS_poll, &p, 1, 10000), 1);
  CHECK_EQ(sys(SYS_read, s[1], a, 1), 0);
}
static volatile int told;
static struct siginfo notice;
static volatile long told_thread;
static void note(int sig, struct siginfo* i, struct ucontext* c) {
  notice = *i;
  long id = 0;
  sys(SYS_thr_self, &id);
  told_thread = id;
  __atomic_fetch_add(&told, 1, __ATOMIC_SEQ_CST);
}
static void wait_told(int n) {
  for (int i = 0; i < 5000 && told < n; ++i) sleep_ms(1);
  CHECK_EQ(told, n);
}
CASE(signals) {
  on_signal(SIGUSR1, note, 0);
  told = 0;
  const long fd = new_file("text");
  char text[8];
  struct aiocb cb = block_for(fd, text, 4);
  cb.event = (struct sigevent){SIGEV_SIGNAL, SIGUSR1, {.word = 0x1122334455}};
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  wait_told(1);
  CHECK_EQ(notice.si_code, SI_ASYNCIO);
  CHECK_EQ(notice.si_value.word, 0x1122334455);
  CHECK_EQ(sys(SYS_aio_return, &cb), 4);
  int s[2];
  new_pair(s);
  cb.fd = s[0];
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  sleep_ms(10);
  CHECK_EQ(told, 1);
  CHECK_EQ(sys(SYS_write, s[1], "x", 1), 1);
  wait_told(2);
  CHECK_EQ(notice.si_code, SI_ASYNCIO);
  CHECK_EQ(sys(SYS_aio_error, &cb), 0);
  CHECK_EQ(sys(SYS_aio_return, &cb), 1);
  long self = 0;
  sys(SYS_thr_self, &self);
  cb.event.notify = SIGEV_THREAD_ID;
  cb.event.u.thread_id = (int)self;
  told_thread = 0;
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  CHECK_EQ(sys(SYS_write, s[1], "x", 1), 1);
  wait_told(3);
  CHECK_EQ(told_thread, self);
  CHECK_EQ(sys(SYS_aio_return, &cb), 1);
}
CASE(interrupted) {
  alarm_after(60);
  on_signal(SIGALRM, nothing, SA_RESTART);
  int s[2];
  new_pair(s);
  char text[4];
  struct aiocb cb = block_for(s[0], text, 4);
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  struct aiocb* list[1] = {&cb};
  struct itimerval t = {{0, 0}, {0, 30000}};
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_aio_suspend, list, 1, 0), -EINTR);
  on_signal(SIGALRM, nothing, 0);
  struct aiocb* which;
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_aio_waitcomplete, &which, 0), -EINTR);
  on_signal(SIGALRM, nothing, SA_RESTART);
  struct aiocb other = block_for(s[0], text, 4);
  other.opcode = LIO_READ;
  list[0] = &other;
  CHECK_EQ(sys(SYS_setitimer, 0, &t, 0), 0);
  CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, list, 1, 0), -EINTR);
  CHECK_EQ(sys(SYS_aio_cancel, s[0], 0), AIO_CANCELED);
  CHECK_EQ(sys(SYS_aio_return, &cb), -ECANCELED);
  CHECK_EQ(sys(SYS_aio_return, &other), -ECANCELED);
}
static int look(long kq, struct kevent* e, int n, long ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000};
  return (int)sys(SYS_kevent, kq, 0, 0, e, n, &t);
}
CASE(kqueues) {
  const long kq = sys(SYS_kqueue);
  const long fd = new_file("text");
  char text[8];
  struct kevent e;
  struct aiocb cb = block_for(fd, text, 4);
  cb.event = (struct sigevent){SIGEV_KEVENT, (int)kq, {.ptr = (void*)&told}};
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  for (int i = 0; i < 2; ++i) {   // until it is taken
    CHECK_EQ(look(kq, &e, 1, 5000), 1);
    CHECK_EQ(e.ident, &cb);
    CHECK_EQ(e.filter, EVFILT_AIO);
    CHECK_EQ(e.data, 0);
    CHECK(e.udata == (void*)&told);
    CHECK(e.flags & EV_EOF);
  }
  CHECK_EQ(sys(SYS_aio_return, &cb), 4);
  CHECK_EQ(look(kq, &e, 1, 0), 0);
  // A socket's, once.
  int s[2];
  new_pair(s);
  cb.fd = s[0];
  cb.event.u.kevent_flags = EV_ONESHOT;
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  CHECK_EQ(look(kq, &e, 1, 20), 0);
  CHECK_EQ(sys(SYS_write, s[1], "x", 1), 1);
  CHECK_EQ(look(kq, &e, 1, 5000), 1);
  CHECK_EQ(e.ident, &cb);
  CHECK_EQ(look(kq, &e, 1, 0), 0);
  CHECK_EQ(sys(SYS_aio_return, &cb), 1);
  // Cancelled: with its error.
  cb.event.u.kevent_flags = EV_CLEAR;
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  CHECK_EQ(sys(SYS_aio_cancel, s[0], &cb), AIO_CANCELED);
  CHECK_EQ(look(kq, &e, 1, 5000), 1);
  CHECK_EQ(e.data, ECANCELED);
  CHECK_EQ(look(kq, &e, 1, 0), 0);
  CHECK_EQ(sys(SYS_aio_return, &cb), -ECANCELED);
  cb.event.u.kevent_flags = EV_DELETE;
  CHECK_EQ(sys(SYS_aio_read, &cb), -EINVAL);
  cb.event.u.kevent_flags = 0;
  cb.event.signo = s[0];
  CHECK_EQ(sys(SYS_aio_read, &cb), -EBADF);
  cb.event.signo = -1;
  CHECK_EQ(sys(SYS_aio_read, &cb), -EBADF);
  // A program cannot add such events itself.
  struct kevent own = {.ident = (unsigned long)&cb, .filter = EVFILT_AIO, .flags = EV_ADD};
  CHECK_EQ(sys(SYS_kevent, kq, &own, 1, 0, 0, 0), -EPERM);
}
CASE(lists) {
  alarm_after(60);
  on_signal(SIGUSR2, note, 0);
  told = 0;
  const long fd = new_file("0123456789"), kq = sys(SYS_kqueue);
  int s[2];
  new_pair(s);
  char a[4], b[4], c[4];
  struct aiocb one = block_for(fd, a, 3), two = block_for(s[0], b, 3), nop = block_for(fd, c, 3), bad = block_for(fd, c, 3);
  one.opcode = two.opcode = LIO_READ;
  nop.opcode = LIO_NOP;
  bad.opcode = 9;
  struct aiocb* list[4] = {&one, 0, &nop, &two};
  struct sigevent e = {SIGEV_SIGNAL, SIGUSR2, {.word = 77}};
  CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 4, &e), 0);
  CHECK_EQ(wait_done(&one), 0);
  CHECK_EQ(sys(SYS_aio_error, &two), EINPROGRESS);
  sleep_ms(10);
  CHECK_EQ(told, 0);
  CHECK_EQ(sys(SYS_write, s[1], "xyz", 3), 3);
  wait_told(1);
  CHECK_EQ(notice.si_code, SI_ASYNCIO);
  CHECK_EQ(notice.si_value.word, 77);
  CHECK_EQ(sys(SYS_aio_return, &one), 3);
  CHECK_EQ(sys(SYS_aio_return, &two), 3);
  // Waiting.
  CHECK_EQ(sys(SYS_write, s[1], "xyz", 3), 3);
  CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, list, 4, kHost), 0);
  CHECK_EQ(sys(SYS_aio_error, &one), 0);
  CHECK_EQ(sys(SYS_aio_error, &two), 0);
  CHECK_EQ(sys(SYS_aio_return, &one), 3);
  CHECK_EQ(sys(SYS_aio_return, &two), 3);
  // By kqueue: the list's own event.
  struct kevent k;
  e = (struct sigevent){SIGEV_KEVENT, (int)kq, {.ptr = &e}};
  CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 4, &e), 0);
  CHECK_EQ(look(kq, &k, 1, 20), 0);
  CHECK_EQ(sys(SYS_write, s[1], "xyz", 3), 3);
  CHECK_EQ(look(kq, &k, 1, 5000), 1);
  CHECK(k.filter == EVFILT_LIO && k.ident == (unsigned long)list && k.udata == &e);
  CHECK_EQ(sys(SYS_aio_return, &one), 3);
  CHECK_EQ(sys(SYS_aio_return, &two), 3);
  CHECK_EQ(look(kq, &k, 1, 0), 0);
  // One that cannot be made does not keep the others back.
  list[2] = &bad;
  CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 3, 0), -EIO);
  CHECK_EQ(sys(SYS_aio_error, &bad), EINVAL);
  CHECK_EQ(wait_done(&one), 0);
  CHECK_EQ(sys(SYS_aio_return, &one), 3);
  CHECK_EQ(sys(SYS_lio_listio, 2, list, 1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, list, -1, 0), -EINVAL);
  CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, list, 257, 0), -EINVAL);
  CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 1, kHost), -EFAULT);
  e.notify = SIGEV_THREAD;
  CHECK_EQ(sys(SYS_lio_listio, LIO_NOWAIT, list, 1, &e), -EINVAL);
  CHECK_EQ(sys(SYS_lio_listio, LIO_WAIT, list, 0, 0), 0);
}
CASE(as_many_as_there_may_be) {
  enum { kMost = 256 };
  static struct aiocb blocks[kMost + 1];
  static char bytes[kMost + 1];
  int s[2];
  new_pair(s);
  for (int i = 0; i <= kMost; ++i) {
    blocks[i] = block_for(s[0], &bytes[i], 1);
    CHECK_EQ(sys(SYS_aio_read, &blocks[i]), i < kMost ? 0 : -EAGAIN);
  }
  CHECK_EQ(sys(SYS_aio_error, &blocks[kMost]), EAGAIN);
  static char out[kMost];
  for (int i = 0; i < kMost; ++i) out[i] = (char)i;
  CHECK_EQ(sys(SYS_write, s[1], out, kMost), kMost);
  for (int i = 0; i < kMost; ++i) {
    CHECK_EQ(wait_done(&blocks[i]), 0);
    CHECK_EQ(sys(SYS_aio_return, &blocks[i]), 1);
    CHECK_EQ(bytes[i], (char)i);
  }
}
CASE(fork_leaves_them_behind) {
  alarm_after(60);
  int s[2];
  new_pair(s);
  char text[4] = {0};
  struct aiocb cb = block_for(s[0], text, 4);
  CHECK_EQ(sys(SYS_aio_read, &cb), 0);
  const long pid = start_process();
  if (pid == 0) {
    CHECK_EQ(sys(SYS_aio_return, &cb), -EINVAL);
    CHECK_EQ(sys(SYS_aio_cancel, s[0], 0), AIO_ALLDONE);
    int own[2];
    new_pair(own);
    struct aiocb mine = block_for(own[0], text, 4);
    CHECK_EQ(sys(SYS_aio_read, &mine), 0);
    CHECK_EQ(sys(SYS_aio_error, &mine), EINPROGRESS);
    CHECK_EQ(sys(SYS_write, own[1], "ch", 2), 2);
    CHECK_EQ(wait_done(&mine), 0);
    CHECK_EQ(sys(SYS_aio_return, &mine), 2);
    quit(0);
  }
  expect_exit(pid, 0);
  CHECK_EQ(sys(SYS_aio_error, &cb), EINPROGRESS);
  CHECK_EQ(sys(SYS_write, s[1], "par", 3), 3);
  CHECK_EQ(wait_done(&cb), 0);
  CHECK_EQ(sys(SYS_aio_return, &cb), 3);
  CHECK_EQ(memcmp(text, "par", 3), 0);
}
CASE(broken_socket) {
  on_signal(SIGPIPE, note, 0);
  told = 0;
  int s[2];
  new_pair(s);
  CHECK_EQ(sys(SYS_close, s[1]), 0);
  struct aiocb cb = block_for(s[0], "x", 1);
  CHECK_EQ(sys(SYS_aio_write, &cb), 0);
  CHECK_EQ(wait_done(&cb), EPIPE);
  CHECK_EQ(sys(SYS_aio_return, &cb), -EPIPE);
  wait_told(1);
}
static void read_and_wait(struct thread* t) {
  int s[2];
  new_pair(s);
  char in[4];
  for (int i = 0; i < 100; ++i) {
    struct aiocb cb = block_for(s[0], in, 4);
    CHECK_EQ(sys(SYS_aio_read, &cb), 0);
    CHECK_EQ(sys(SYS_write, s[1], &i, 4), 4);
    CHECK_EQ(wait_done(&cb), 0);
    CHECK_EQ(sys(SYS_aio_return, &cb), 4);
    CHECK_EQ(memcmp(in, &i, 4), 0);
  }
}
CASE(many_threads) {
  alarm_after(60);
  static struct thread threads[8];
  for (int i = 0; i < 8; ++i) thread_start(&threads[i], read_and_wait, 0);
  for (int i = 0; i < 8; ++i) thread_join(&threads[i]);
}
CASE(memory) {
  char* p = map(kPage);
  struct aiocb cb = {.fd = -1, .buf = p, .nbytes = kPage};
  CHECK_EQ(sys(SYS_aio_mlock, &cb), 0);
  CHECK_EQ(wait_done(&cb), 0);
  CHECK_EQ(sys(SYS_aio_return, &cb), 0);
  cb.buf = (void*)kHost;
  CHECK_EQ(sys(SYS_aio_mlock, &cb), 0);
  CHECK_EQ(wait_done(&cb), ENOMEM);
  CHECK_EQ(sys(SYS_aio_return, &cb), -ENOMEM);
}
CASE(old_forms) {
  on_signal(SIGUSR1, note, 0);
  told = 0;
  const long fd = new_file("old");
  char* edge = (char*)map(2 * kPage) + kPage;
  CHECK_EQ(sys(SYS_munmap, edge, kPage), 0);
  struct oaiocb* cb = (struct oaiocb*)(edge - sizeof *cb);   // what stands behind it is not looked at
  char text[4];
  *cb = (struct oaiocb){.fd = (int)fd, .buf = text, .nbytes = 3, .event = {SIGEV_SIGNAL, SIGUSR1, {.word = 5}}};
  CHECK_EQ(sys(SYS_freebsd6_aio_read, cb), 0);
  wait_told(1);
  CHECK_EQ(sys(SYS_aio_return, cb), 3);
  CHECK_EQ(memcmp(text, "old", 3), 0);
  cb->event.notify = SIGEV_NONE;
  cb->offset = 3;
  CHECK_EQ(sys(SYS_freebsd6_aio_write, cb), 0);
  CHECK_EQ(sys(SYS_aio_return, cb), 3);
  cb->event.notify = SIGEV_THREAD_ID;
  CHECK_EQ(sys(SYS_freebsd6_aio_read, cb), -EINVAL);
  cb->event.notify = SIGEV_NONE;
  cb->opcode = LIO_READ;
  struct oaiocb* list[1] = {cb};
  struct osigevent e = {SIGEV_SIGNAL, SIGUSR1};
  CHECK_EQ(sys(SYS_freebsd6_lio_listio, LIO_NOWAIT, list, 1, &e), 0);
  wait_told(2);
  CHECK_EQ(sys(SYS_aio_return, cb), 3);
  CHECK_EQ(sys(SYS_freebsd6_lio_listio, LIO_WAIT, list, 1, 0), 0);
  CHECK_EQ(sys(SYS_aio_return, cb), 3);
}
