// What a trace shows of FreeBSD's calls: every structure, and arguments whose meaning another one decides.
#include <catch2/catch.hpp>

#include <cstring>
#include <set>

#include "abi/builtin.hpp"
#include "abi/format.hpp"
#include "abi/personality.hpp"
#include "tests/abi/fake_host.hpp"

using namespace sudrun::abi;
using sudrun::test::FakeHost;

namespace {

const Table& table() {
  static const Table table = builtin_table("freebsd-amd64").value();
  return table;
}

const Entry& call_named(std::string_view name) {
  for (const Entry& entry : table().entries())
    if (table().string(entry.name) == name) return entry;
  throw std::logic_error("no such call: " + std::string(name));
}

struct Traced {
  FakeHost host;
  std::unique_ptr<Personality> personality = make_personality("freebsd");

  Frame frame(const Entry& entry, std::initializer_list<Word> args) {
    Frame frame;
    frame.number = entry.number;
    std::copy(args.begin(), args.end(), frame.args.begin());
    return frame;
  }
  std::string line(std::string_view name, std::initializer_list<Word> args,
                   const Result& result = Result::ok()) {
    const Entry& entry = call_named(name);
    const Frame made = frame(entry, args);
    std::string text(4096, '#');
    text.resize(format_exit(text, {table(), entry, made, host, personality.get()}, result));
    return text;
  }
  Word zeros(std::size_t size) {
    const Word at = host.allocate(size);
    std::memset(host.at(at, size), 0, size);
    return at;
  }
  template <typename T>
  Traced& put(Word at, T value) {
    host.store(at, value);
    return *this;
  }
  static std::string hex(Word word) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "0x%llx", static_cast<unsigned long long>(word));
    return digits;
  }
};

using u8 = std::uint8_t;
using i16 = std::int16_t;
using u16 = std::uint16_t;
using i32 = std::int32_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;

}  // namespace

TEST_CASE_METHOD(Traced, "fcntl's argument and result are what the command says", "[trace]") {
  CHECK(line("fcntl", {3, 3, 0}, Result::ok(6)) == "fcntl(3, F_GETFL, 0) = O_RDWR|O_NONBLOCK");
  CHECK(line("fcntl", {3, 4, 0xc}) == "fcntl(3, F_SETFL, O_RDONLY|O_NONBLOCK|O_APPEND) = 0");
  CHECK(line("fcntl", {3, 2, 1}) == "fcntl(3, F_SETFD, FD_CLOEXEC) = 0");
  CHECK(line("fcntl", {3, 17, 10}, Result::ok(10)) == "fcntl(3, F_DUPFD_CLOEXEC, 10) = 10");
  const Word lock = zeros(32);
  put<i64>(lock + 8, 100).put<i16>(lock + 20, 3).put<i16>(lock + 22, 2);
  const std::string shown = "{l_start=0, l_len=100, l_pid=0, l_type=F_WRLCK, l_whence=SEEK_END, l_sysid=0}";
  CHECK(line("fcntl", {3, 12, lock}) == "fcntl(3, F_SETLK, " + shown + ") = 0");
  CHECK(line("fcntl", {3, 11, lock}, Result::fail(EBADF)) ==
        "fcntl(3, F_GETLK, " + shown + ") = -1 EBADF (Bad file descriptor)");
  CHECK(line("fcntl", {3, 99, 0x10}, Result::fail(EINVAL)) ==
        "fcntl(3, 99, 0x10) = -1 EINVAL (Invalid argument)");
}

TEST_CASE_METHOD(Traced, "ioctl's argument is what the request says", "[trace]") {
  const Word terminal = zeros(44);
  put<u32>(terminal, 0x2b02).put<u32>(terminal + 4, 3).put<u32>(terminal + 8, 0x4b00);
  put<u32>(terminal + 12, 0x5cb).put<u32>(terminal + 36, 9600).put<u32>(terminal + 40, 9600);
  const std::string shown =
      "{c_iflag=BRKINT|ICRNL|IXON|IXANY|IMAXBEL, c_oflag=OPOST|ONLCR, c_cflag=CS8|CREAD|HUPCL, "
      "c_lflag=ECHOKE|ECHOE|ECHO|ECHOCTL|ISIG|ICANON|IEXTEN, c_cc=\"\", c_ispeed=9600, c_ospeed=9600}";
  CHECK(line("ioctl", {0, 0x402c7413, terminal}) == "ioctl(0, TIOCGETA, " + shown + ") = 0");
  CHECK(line("ioctl", {0, 0x802c7414, terminal}) == "ioctl(0, TIOCSETA, " + shown + ") = 0");
  CHECK(line("ioctl", {0, 0x402c7413, terminal}, Result::fail(ENOTTY)) ==
        "ioctl(0, TIOCGETA, " + hex(terminal) + ") = -1 ENOTTY (Inappropriate ioctl for device)");
  const Word size = zeros(8);
  put<u16>(size, 24).put<u16>(size + 2, 80);
  CHECK(line("ioctl", {0, 0x40087468, size}) ==
        "ioctl(0, TIOCGWINSZ, {ws_row=24, ws_col=80, ws_xpixel=0, ws_ypixel=0}) = 0");
  const Word number = host.store<i32>(zeros(4), 7);
  CHECK(line("ioctl", {0, 0x4004667f, number}) == "ioctl(0, FIONREAD, [7]) = 0");
  CHECK(line("ioctl", {0, 0x8004667e, number}) == "ioctl(0, FIONBIO, [7]) = 0");
  CHECK(line("ioctl", {0, 0x2004745f, 2}) == "ioctl(0, TIOCSIG, SIGINT) = 0");
  CHECK(line("ioctl", {0, 0x20006601, 0}) == "ioctl(0, FIOCLEX, 0x0) = 0");
  CHECK(line("ioctl", {0, 0xc0105555, 0x40}, Result::fail(ENOTTY)).starts_with("ioctl(0, 0xc0105555, 0x40)"));
}

TEST_CASE_METHOD(Traced, "socket options are shown by level and name", "[trace]") {
  const Word one = host.store<i32>(zeros(16), 1);
  CHECK(line("setsockopt", {3, 0xffff, 4, one, 4}) == "setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0");
  CHECK(line("setsockopt", {3, 6, 1, one, 4}) == "setsockopt(3, IPPROTO_TCP, TCP_NODELAY, [1], 4) = 0");
  CHECK(line("setsockopt", {3, 0, 10, one, 1}) == "setsockopt(3, IPPROTO_IP, IP_MULTICAST_TTL, [1], 1) = 0");
  CHECK(line("setsockopt", {3, 0xffff, 0x80, one, 8}) ==
        "setsockopt(3, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=0}, 8) = 0");
  const Word length = host.store<u32>(zeros(4), 16);
  CHECK(line("getsockopt", {3, 0xffff, 0x1006, one, length}) ==
        "getsockopt(3, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=0}, [16]) = 0");
  put<u32>(length, 4);
  CHECK(line("getsockopt", {3, 0xffff, 0x1007, one, length}) ==
        "getsockopt(3, SOL_SOCKET, SO_ERROR, [1], [4]) = 0");
  CHECK(line("setsockopt", {3, 132, 5, one, 2}) == R"(setsockopt(3, IPPROTO_SCTP, 5, "\1\0", 2) = 0)");
}

TEST_CASE_METHOD(Traced, "a sysctl's name is shown as numbers and as text", "[trace]") {
  const Word name = zeros(16);
  put<i32>(name, 1).put<i32>(name + 4, 14).put<i32>(name + 8, 12).put<i32>(name + 12, -1);
  const Word size = host.store<Word>(zeros(8), 4);
  CHECK(line("__sysctl", {name, 4, host.string("abcd"), size, 0, 0}) ==
        R"(__sysctl([1, 14, 12, -1] /* kern.proc.pathname.-1 */, 4, "abcd", [4], NULL, 0) = 0)");
  put<i32>(name, 99);
  CHECK(line("__sysctl", {name, 2, 0, 0, 0, 0}, Result::fail(ENOENT))
            .starts_with("__sysctl([99, 14], 2, NULL,"));
  CHECK(
      line("__sysctl", {name, 1000, 0, 0, 0, 0}, Result::fail(EINVAL)).starts_with("__sysctl(" + hex(name)));
  CHECK(line("__sysctl", {0xdead000, 2, 0, 0, 0, 0}, Result::fail(EFAULT))
            .starts_with("__sysctl(0xdead000, 2"));
}

TEST_CASE_METHOD(Traced, "_umtx_op's arguments are what the operation says", "[trace]") {
  const Word mutex = zeros(32);
  put<u32>(mutex, 0x80000000 | 100).put<u32>(mutex + 4, 0x10);
  CHECK(line("_umtx_op", {mutex, 5, 0, 0, 0}) ==
        "_umtx_op({m_owner=UMUTEX_CONTESTED|0x64, m_flags=UMUTEX_ROBUST, m_ceilings0=0, m_ceilings1=0, "
        "m_rb_lnk=NULL}, UMTX_OP_MUTEX_LOCK, 0, 0, NULL) = 0");
  const Word word = host.store<u32>(zeros(4), 7);
  const Word time = zeros(24);
  put<i64>(time, 5).put<u32>(time + 16, 1).put<u32>(time + 20, 4);
  CHECK(line("_umtx_op", {word, 15, 7, 24, time}, Result::fail(ETIMEDOUT)) ==
        "_umtx_op([7], UMTX_OP_WAIT_UINT_PRIVATE, 7, 24, {timeout={tv_sec=5, tv_nsec=0}, flags=UMTX_ABSTIME, "
        "clockid=CLOCK_MONOTONIC}) = -1 ETIMEDOUT (Connection timed out)");
  CHECK(line("_umtx_op", {word, 15, 7, 0, time}, Result::fail(EAGAIN)).find("7, 0, {tv_sec=5, tv_nsec=0})") !=
        std::string::npos);
  CHECK(line("_umtx_op", {word, 3, 1, 0, 0}) == "_umtx_op(" + hex(word) + ", UMTX_OP_WAKE, 1, 0x0, 0x0) = 0");
}

TEST_CASE_METHOD(Traced, "kevent shows changes, and as many events as came", "[trace]") {
  const Word events = zeros(128);
  put<Word>(events, 5).put<i16>(events + 8, -1).put<u16>(events + 10, 0x21).put<Word>(events + 24, 0xabc);
  put<Word>(events + 64, 7).put<i16>(events + 72, -4).put<u16>(events + 74, 1).put<u32>(events + 76, 0x21);
  const std::string first =
      "{ident=5, filter=EVFILT_READ, flags=EV_ADD|EV_CLEAR, fflags=0, data=0, udata=0xabc, ext0=0, ext1=0, "
      "ext2=0, ext3=0}";
  const std::string second =
      "{ident=7, filter=EVFILT_VNODE, flags=EV_ADD, fflags=NOTE_DELETE|NOTE_RENAME, data=0, udata=NULL, "
      "ext0=0, "
      "ext1=0, ext2=0, ext3=0}";
  CHECK(line("kevent", {3, events, 2, 0, 0, 0}) ==
        "kevent(3, [" + first + ", " + second + "], 2, NULL, 0, NULL) = 0");
  CHECK(line("kevent", {3, 0, 0, events, 2, 0}, Result::ok(1)) ==
        "kevent(3, NULL, 0, [" + first + "], 2, NULL) = 1");
  put<i16>(events + 8, -7).put<u32>(events + 12, 2);
  CHECK(line("kevent", {3, events, 1, 0, 0, 0})
            .find("EVFILT_TIMER, flags=EV_ADD|EV_CLEAR, fflags=NOTE_MSECONDS,") != std::string::npos);
}

TEST_CASE_METHOD(Traced, "vectors show data: what is written, and what has been read", "[trace]") {
  const Word vector = zeros(32);
  put<Word>(vector, host.string("abcdef")).put<Word>(vector + 8, 6);
  put<Word>(vector + 16, host.string("ghi")).put<Word>(vector + 24, 3);
  CHECK(line("writev", {1, vector, 2}, Result::ok(9)) ==
        R"(writev(1, [{iov_base="abcdef", iov_len=6}, {iov_base="ghi", iov_len=3}], 2) = 9)");
  CHECK(line("readv", {1, vector, 2}, Result::ok(7)) ==
        R"(readv(1, [{iov_base="abcdef", iov_len=6}, {iov_base="g", iov_len=3}], 2) = 7)");
  CHECK(line("readv", {1, vector, 1}, Result::fail(EBADF)).starts_with("readv(1, [{iov_base=0x"));
  put<Word>(vector, 0xdead000);
  CHECK(line("writev", {1, vector, 1}, Result::fail(EFAULT)).find("{iov_base=0xdead000, iov_len=6}") !=
        std::string::npos);
}

TEST_CASE_METHOD(Traced, "messages show address, data and control", "[trace]") {
  const Word address = zeros(16), vector = zeros(16), control = zeros(24), message = zeros(48);
  host.store(address, std::array<u8, 8>{16, 2, 0, 53, 10, 0, 0, 1});
  put<Word>(vector, host.string("hello")).put<Word>(vector + 8, 5);
  put<u32>(control, 20).put<i32>(control + 4, 0xffff).put<i32>(control + 8, 1).put<i32>(control + 16, 9);
  put<Word>(message, address).put<u32>(message + 8, 16).put<Word>(message + 16, vector);
  put<i32>(message + 24, 1).put<Word>(message + 32, control).put<u32>(message + 40, 20);
  const std::string shown =
      R"({msg_name={sa_family=AF_INET, port=53, addr=10.0.0.1}, msg_namelen=16, )"
      R"(msg_iov=[{iov_base="hello", iov_len=5}], msg_iovlen=1, )"
      R"(msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS} "\t\0\0\0"], )"
      R"(msg_controllen=20, msg_flags=0})";
  CHECK(line("sendmsg", {3, message, 0}, Result::ok(5)) == "sendmsg(3, " + shown + ", 0) = 5");
  CHECK(line("recvmsg", {3, message, 0x80}, Result::ok(5)) == "recvmsg(3, " + shown + ", MSG_DONTWAIT) = 5");
}

TEST_CASE_METHOD(Traced, "socket addresses of every family are decoded", "[trace]") {
  const Word at = zeros(128);
  const auto shown = [&](unsigned length) {
    const std::string text = line("connect", {3, at, length}, Result::ok());
    return text.substr(text.find('{'), text.rfind('}') + 1 - text.find('{'));
  };
  host.store(at, std::array<u8, 8>{28, 28, 0x1f, 0x90, 0, 0, 0, 0});
  put<u8>(at + 23, 1);
  CHECK(shown(28) == "{sa_family=AF_INET6, port=8080, addr=::1}");
  put<u8>(at + 8, 0xfe).put<u8>(at + 9, 0x80).put<u32>(at + 24, 3);
  CHECK(shown(28) == "{sa_family=AF_INET6, port=8080, addr=fe80::1%3}");
  host.store(at, std::array<u8, 11>{11, 1, '/', 't', 'm', 'p', '/', 's', 0, 'x', 'x'});
  CHECK(shown(11) == R"({sa_family=AF_UNIX, path="/tmp/s"})");
  host.store(at, std::array<u8, 11>{11, 18, 2, 0, 6, 3, 0, 0, 'e', 'm', '0'});
  CHECK(
      shown(11) ==
      R"({sa_family=AF_LINK, {sdl_index=2, sdl_type=6, sdl_nlen=3, sdl_alen=0, sdl_slen=0, sdl_data="em0"}})");
  host.store(at, std::array<u8, 4>{4, 99, 1, 2});
  CHECK(shown(4) == R"({sa_family=99, data="\1\2"})");
  CHECK(line("connect", {3, at, 1}, Result::fail(EINVAL)).starts_with("connect(3, " + hex(at)));
  CHECK(line("connect", {3, at, ~Word{0}}).starts_with("connect(3, {sa_family=99"));
}

TEST_CASE_METHOD(Traced, "signals, their sets, actions and information are shown by name", "[trace]") {
  const Word action = zeros(32);
  put<Word>(action, 0x401000).put<i32>(action + 8, 0x42).put<u32>(action + 12, 0x4002);
  CHECK(line("sigaction", {15, action, 0}) ==
        "sigaction(SIGTERM, {sa_handler=0x401000, sa_flags=SA_RESTART|SA_SIGINFO, sa_mask=[SIGINT SIGTERM]}, "
        "NULL) "
        "= 0");
  put<Word>(action, 1);
  CHECK(line("sigaction", {15, action, 0}).find("sa_handler=SIG_IGN") != std::string::npos);
  const Word set = zeros(16);
  put<u32>(set, 0x40000001).put<u32>(set + 8, 1);
  CHECK(line("sigprocmask", {1, set, 0}) == "sigprocmask(SIG_BLOCK, [SIGHUP SIGUSR2 SIGRT65], NULL) = 0");
  host.store(set, std::array<u32, 4>{0xfffffffe, ~0U, ~0U, ~0U});
  CHECK(line("sigprocmask", {3, set, 0}) == "sigprocmask(SIG_SETMASK, ~[SIGHUP], NULL) = 0");
  const Word info = zeros(80);
  put<i32>(info, 11).put<i32>(info + 8, 1).put<Word>(info + 24, 0x10);
  CHECK(line("sigtimedwait", {set, info, 0}, Result::ok(11))
            .find("{si_signo=SIGSEGV, si_errno=0, si_code=SEGV_MAPERR, si_pid=0, si_uid=0, si_status=0, "
                  "si_addr=0x10,") != std::string::npos);
  put<i32>(info, 15).put<i32>(info + 8, 0x10001);
  CHECK(line("sigwaitinfo", {set, info}, Result::ok(15)).ends_with(" = SIGTERM"));
  CHECK(line("sigwaitinfo", {set, info}, Result::ok(15)).find("si_code=SI_USER") != std::string::npos);
}

TEST_CASE_METHOD(Traced, "wait statuses tell how a process ended", "[trace]") {
  const Word status = host.store<i32>(zeros(4), 3 << 8);
  CHECK(line("wait4", {100, status, 0, 0}, Result::ok(100)) ==
        "wait4(100, {ended_by=EXITED, code=3}, 0, NULL) = 100");
  put<i32>(status, 11 | 0x80);
  CHECK(line("wait4", {100, status, 0, 0}, Result::ok(100)).find("{ended_by=CORE_DUMPED|SIGSEGV, code=0}") !=
        std::string::npos);
  put<i32>(status, 0x7f | 17 << 8);
  CHECK(line("wait4", {100, status, 2, 0}, Result::ok(100))
            .find("ended_by=STOPPED_OR_CONTINUED, code=SIGSTOP") != std::string::npos);
}

TEST_CASE_METHOD(Traced, "sets of descriptors, polled descriptors and directory records are shown",
                 "[trace]") {
  const Word set = host.store<Word>(zeros(128), 0x28), time = zeros(16);
  CHECK(line("select", {6, set, 0, 0, time}, Result::ok(2)) ==
        "select(6, [3, 5], NULL, NULL, {tv_sec=0, tv_usec=0}) = 2");
  CHECK(line("select", {~Word{0}, set, 0, 0, 0}, Result::fail(EINVAL)).starts_with("select(-1, " + hex(set)));
  const Word fds = zeros(16);
  put<i32>(fds, 4).put<u16>(fds + 4, 5).put<u16>(fds + 6, 0x10);
  CHECK(line("poll", {fds, 1, 100}, Result::ok(1)) ==
        "poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLHUP}], 1, 100) = 1");
  const Word records = zeros(64);
  put<Word>(records, 2).put<i64>(records + 8, 1).put<u16>(records + 16, 32).put<u8>(records + 18, 4);
  put<u16>(records + 20, 1);
  host.store_string(records + 24, ".");
  put<Word>(records + 32, 9).put<u16>(records + 48, 32).put<u8>(records + 50, 8).put<u16>(records + 52, 3);
  host.store_string(records + 56, "abc");
  CHECK(line("getdirentries", {3, records, 4096, 0}, Result::ok(64)) ==
        R"(getdirentries(3, [{d_fileno=2, d_off=1, d_reclen=32, d_type=DT_DIR, d_namlen=1, d_name="."}, )"
        R"({d_fileno=9, d_off=0, d_reclen=32, d_type=DT_REG, d_namlen=3, d_name="abc"}], 4096, NULL) = 64)");
  put<u16>(records + 16, 0);
  CHECK(line("getdirentries", {3, records, 4096, 0}, Result::ok(64)).ends_with("], 4096, NULL) = 64"));
}

TEST_CASE_METHOD(Traced, "the other structures show their fields, nested ones in braces", "[trace]") {
  const Word at = zeros(2400);
  put<i64>(at + 16, 2);
  CHECK(line("setitimer", {0, at, 0}) ==
        "setitimer(ITIMER_REAL, {it_interval={tv_sec=0, tv_usec=0}, it_value={tv_sec=2, tv_usec=0}}, NULL) = "
        "0");
  CHECK(line("ktimer_settime", {1, 1, at, 0}) ==
        "ktimer_settime(1, TIMER_ABSTIME, {it_interval={tv_sec=0, tv_nsec=0}, it_value={tv_sec=2, "
        "tv_nsec=0}}, NULL) "
        "= 0");
  put<u16>(at + 24, 0x81a4);
  CHECK(line("fstat", {0, at})
            .find("st_mode=S_IFREG|S_IRUSR|S_IWUSR|S_IRGRP|S_IROTH, st_bsdflags=0, st_uid=0, st_gid=0") !=
        std::string::npos);
  CHECK(line("fstat", {0, at}).find("st_atim={tv_sec=0, tv_nsec=0}, st_mtim={") != std::string::npos);
  host.store_string(at + 296, "tank");
  host.store_string(at + 1320, "/mnt");
  CHECK(line("fstatfs", {0, at}).find(R"(f_mntfromname="tank", f_mntonname="/mnt"})") != std::string::npos);
  CHECK(line("wait6", {7, 0, 0, 16, at, 0}, Result::ok(9)).find("{wru_self={ru_utime={tv_sec=") !=
        std::string::npos);
  CHECK(line("getrlimit", {8, at}) == "getrlimit(RLIMIT_NOFILE, {rlim_cur=0, rlim_max=0}) = 0");
  CHECK(line("procctl", {0, 5, 11, at}).find("PROC_PDEATHSIG_CTL, [0])") != std::string::npos);
  CHECK(line("sysarch", {129, host.store<Word>(zeros(8), 64)}) == "sysarch(AMD64_SET_FSBASE, [64]) = 0");
  CHECK(line("sendfile", {3, 4, 0, 0, at, 0, 4}).ends_with("NULL, SF_SYNC) = 0"));
  CHECK(line("shm_open2", {1, 2, 0600, 1, 0}, Result::ok(3)) ==
        "shm_open2(0x1, O_RDWR, 0600, SHM_ALLOW_SEALING, NULL) = 3");
  CHECK(line("fstatfs", {0, at}).size() < 2000);
}

TEST_CASE("signal lines name code and origin", "[trace]") {
  const auto shown = [](const SignalInfo& info) {
    std::string text(200, '#');
    text.resize(format_signal(text, table(), info));
    return text;
  };
  SignalInfo info;
  info.signal = 11;
  info.code = 1;
  info.address = 0x10;
  info.synchronous = true;
  CHECK(shown(info) == "SIGSEGV {code=SEGV_MAPERR, addr=0x10}");
  info = {};
  info.signal = 10;
  info.pid = 12;
  info.uid = 3;
  CHECK(shown(info) == "SIGUSR1 {code=SI_USER, pid=12, uid=3}");
  info.code = -6;
  CHECK(shown(info) == "SIGUSR1 {code=SI_LWP, pid=12, uid=3}");
  info.code = -1;
  info.value = 0x99;
  CHECK(shown(info) == "SIGUSR1 {code=SI_QUEUE, pid=12, uid=3, value=0x99}");
  info.signal = 17;
  info.code = 1;
  info.status = 4;
  CHECK(shown(info) == "SIGCHLD {code=CLD_EXITED, pid=12, uid=3, status=4}");
  info = {};
  info.signal = 14;
  info.code = 0x80;
  CHECK(shown(info) == "SIGALRM {code=SI_KERNEL}");
  info.signal = 8;
  info.code = 2;
  info.synchronous = true;
  CHECK(shown(info).starts_with("SIGFPE {code=FPE_INTOVF"));
  info.code = 77;
  CHECK(shown(info).starts_with("SIGFPE {code=77"));
}

// A pointer of role `ptr` is shown as an address; a supported call has such only where there is no more to
// show.
TEST_CASE("no supported call has memory that traces cannot show", "[trace]") {
  const std::set<std::string> opaque{
      "mincore.vec",       // one byte for each page of another argument's range
      "mount.data",        // of each file system's own form; refused unread
      "sigfastblock.ptr",  // a word looked at later, whenever a signal comes
      "auditon.data",      // refused unread
      "exterrctl.ptr",     // refused unread
      // A profile; no profiling is ever on.
      "profil.samples",
      // As many records as there are file systems.
      "freebsd4_getfsstat.buf",
      // No module, no file handle, no label, no list for access control and no quota is ever found: unread.
      "modstat.stat",
      "mac_syscall.arg",
      "quotactl.arg",
      "getfhat.fhp",
      "fhstat.u_fhp",
      "fhstat.sb",
      "fhstatfs.u_fhp",
      "fhstatfs.buf",
      "freebsd11_fhstat.u_fhp",
      "freebsd11_fhstat.sb",
      "freebsd11_fhstatfs.u_fhp",
      "freebsd11_fhstatfs.buf",
      "freebsd4_fhstatfs.u_fhp",
      "freebsd4_fhstatfs.buf",
      "setauid.auid",
      "setaudit.auditinfo",
      "setaudit_addr.auditinfo_addr",
      "getaudit_addr.auditinfo_addr",
      "__acl_set_link.aclp",
      "__acl_set_file.aclp",
      "__acl_set_fd.aclp",
      "__acl_get_link.aclp",
      "__acl_get_file.aclp",
      "__acl_get_fd.aclp",
      "__acl_aclcheck_link.aclp",
      "__acl_aclcheck_file.aclp",
      "__acl_aclcheck_fd.aclp",
  };
  std::size_t seen = 0;
  for (const Entry& entry : table().entries()) {
    if (entry.support == Support::none) continue;
    for (unsigned i = 0; i < entry.argc; ++i) {
      if (entry.args[i].kind != RoleKind::ptr) continue;
      const std::string name(table().string(entry.name));
      const std::string argument = name + "." + std::string(table().string(entry.arg_names[i]));
      INFO(argument);
      const bool refused = entry.action == Action::error;
      CHECK((opaque.count(argument) != 0 || refused));
      ++seen;
    }
  }
  CHECK(seen > 0);
}
