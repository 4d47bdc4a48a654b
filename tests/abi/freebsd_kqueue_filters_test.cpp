// The filters of event queues that stand on helper descriptors, against the real kernel.
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <thread>

#include "tests/abi/kqueue_world.hpp"

using namespace sudrun::test;
using namespace sudrun::test::kqueue;

TEST_CASE("EVFILT_USER") {
  World w;
  SECTION("level") {
    REQUIRE(w.apply({change(3, kUser, kAdd, 0x5, 0, 1)}) == 0);
    CHECK(w.wait().empty());
    REQUIRE(w.apply({change(3, kUser, 0, kNoteTrigger, 12, 2)}) == 0);
    for (int i = 0; i < 2; ++i) {
      const auto events = w.wait();
      REQUIRE(events.size() == 1);
      CHECK(events[0].fflags == 0x5);
      CHECK(events[0].data == 12);
      CHECK(events[0].udata == 2);
    }
    REQUIRE(w.apply({change(3, kUser, kDelete)}) == 0);
    CHECK(w.wait().empty());
  }
  SECTION("EV_CLEAR and the operations on the flags") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kClear, 0x0f)}) == 0);
    const auto fire = [&](std::uint32_t fflags) {
      REQUIRE(w.apply({change(3, kUser, 0, fflags | kNoteTrigger)}) == 0);
      const auto events = w.wait(1s);
      REQUIRE(events.size() == 1);
      CHECK(w.wait().empty());
      return events[0].fflags;
    };
    CHECK(fire(kNoteFfNop | 0xff) == 0x0f);
    CHECK(fire(kNoteFfAnd | 0x0c) == 0x0c);
    CHECK(fire(kNoteFfOr | 0x03) == 0x0f);
    CHECK(fire(kNoteFfCopy | 0xaa) == 0xaa);
  }
  SECTION("disabled, it remembers") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kClear | kDisable), change(3, kUser, 0, kNoteTrigger)}) == 0);
    CHECK(w.wait().empty());
    REQUIRE(w.apply({change(3, kUser, kEnable)}) == 0);
    CHECK(w.wait().size() == 1);
  }
  SECTION("EV_ONESHOT") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kOneshot), change(3, kUser, 0, kNoteTrigger)}) == 0);
    CHECK(w.wait().size() == 1);
    CHECK(w.apply({change(3, kUser, 0, kNoteTrigger)}) == ENOENT);
  }
  SECTION("it wakes a waiting thread, and shows in poll()") {
    REQUIRE(w.apply({change(3, kUser, kAdd | kClear)}) == 0);
    std::thread other([&] {
      std::this_thread::sleep_for(10ms);
      CHECK(w.apply({change(3, kUser, 0, kNoteTrigger)}) == 0);
    });
    CHECK(w.wait(10s).size() == 1);
    other.join();
    Kevent* none = w.arena.make<Kevent>();
    CHECK(w.run(w.kq, {change(3, kUser, 0, kNoteTrigger)}, none, 0, nullptr).is_ok());
    fd_set set;
    FD_ZERO(&set);
    FD_SET(w.kq, &set);
    timeval zero{};
    CHECK(::select(w.kq + 1, &set, nullptr, nullptr, &zero) == 1);
    CHECK(w.wait().size() == 1);
    FD_SET(w.kq, &set);
    CHECK(::select(w.kq + 1, &set, nullptr, nullptr, &zero) == 0);
  }
}

TEST_CASE("EVFILT_TIMER") {
  World w;
  SECTION("periodic, with the expirations counted") {
    const auto [unit, value] = GENERATE(table<std::uint32_t, std::int64_t>(
        {{0u, 5}, {kNoteMseconds, 5}, {kNoteUseconds, 5000}, {kNoteNseconds, 5'000'000}}));
    REQUIRE(w.apply({change(1, kTimer, kAdd, unit, value, 8)}) == 0);
    CHECK(w.wait().empty());
    auto events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == kClear);
    CHECK(events[0].data >= 1);
    CHECK(events[0].udata == 8);
    std::this_thread::sleep_for(28ms);
    events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data >= 4);
    REQUIRE(w.apply({change(1, kTimer, kDelete)}) == 0);
    CHECK(w.wait(10ms).empty());
  }
  SECTION("once") {
    REQUIRE(w.apply({change(1, kTimer, kAdd | kOneshot, 0, 5)}) == 0);
    std::this_thread::sleep_for(30ms);
    const auto events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 1);
    CHECK(w.apply({change(1, kTimer, kDelete)}) == ENOENT);
  }
  SECTION("at once") {
    REQUIRE(w.apply({change(1, kTimer, kAdd | kOneshot, 0, 0)}) == 0);
    CHECK(w.wait(10s).size() == 1);
  }
  SECTION("at a time of day, and then for good") {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    REQUIRE(w.apply({change(1, kTimer, kAdd, kNoteAbstime | kNoteMseconds,
                            now.tv_sec * 1000 + now.tv_nsec / 1'000'000 + 20)}) == 0);
    CHECK(w.wait().empty());
    for (int i = 0; i < 2; ++i) {
      const auto events = w.wait(10s);
      REQUIRE(events.size() == 1);
      CHECK(events[0].data == 1);
    }
  }
  SECTION("disabled, it counts on") {
    REQUIRE(w.apply({change(1, kTimer, kAdd | kDisable, 0, 2)}) == 0);
    CHECK(w.wait(20ms).empty());
    REQUIRE(w.apply({change(1, kTimer, kEnable, 0, 2)}) == 0);
    CHECK(w.wait(1s).at(0).data >= 5);
  }
  SECTION("added again it starts anew") {
    REQUIRE(w.apply({change(1, kTimer, kAdd, 0, 1)}) == 0);
    std::this_thread::sleep_for(5ms);
    REQUIRE(w.apply({change(1, kTimer, kAdd, kNoteSeconds, 100)}) == 0);
    CHECK(w.wait(5ms).empty());
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    REQUIRE(w.apply({change(1, kTimer, kAdd, kNoteAbstime | kNoteSeconds, now.tv_sec - 5)}) == 0);
    CHECK(w.wait(1s).size() == 1);
  }
  SECTION("what makes no sense") {
    CHECK(w.apply({change(1, kTimer, kAdd, 0, -1)}) == EINVAL);
    CHECK(w.apply({change(1, kTimer, kAdd, kNoteSeconds | kNoteUseconds, 1)}) == EINVAL);
    CHECK(w.apply({change(1, kTimer, kAdd, 0x100, 1)}) == EINVAL);
    CHECK(w.apply({change(1, kTimer, kAdd, kNoteSeconds, INT64_MAX)}) == 0);
    CHECK(w.wait(1ms).empty());
  }
}

TEST_CASE("EVFILT_SIGNAL counts what the runtime catches") {
  World w;
  CHECK(!w.registry.wants_signal(SIGUSR1));
  w.registry.on_signal(SIGUSR1);
  REQUIRE(w.apply({change(kGuestUsr1, kSignal, kAdd)}) == 0);
  CHECK(w.registry.wants_signal(SIGUSR1));
  CHECK(w.wait().empty());
  w.registry.on_signal(SIGUSR1);
  w.registry.on_signal(SIGUSR2);
  w.registry.on_signal(SIGUSR1);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].ident == kGuestUsr1);
  CHECK(events[0].flags == kClear);
  CHECK(events[0].data == 2);
  CHECK(w.wait().empty());
  std::thread other([&] {
    std::this_thread::sleep_for(10ms);
    w.registry.on_signal(SIGUSR1);
  });
  CHECK(w.wait(10s).at(0).data == 1);
  other.join();
  const int second = static_cast<int>(w.registry.create(w.host));
  REQUIRE(w.apply_to(second, {change(kGuestUsr1, kSignal, kAdd)}) == 0);
  w.registry.on_signal(SIGUSR1);
  CHECK(w.wait().size() == 1);
  CHECK(w.wait_on(second).size() == 1);
  w.close(second);
  REQUIRE(w.apply({change(kGuestUsr1, kSignal, kDelete)}) == 0);
  w.registry.on_signal(SIGUSR1);
  CHECK(w.wait().empty());
}

TEST_CASE("EVFILT_PROC reports the end of a process") {
  World w;
  const auto child = [](auto&& body) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      body();
      ::_exit(0);
    }
    return pid;
  };
  SECTION("exit status") {
    const pid_t pid = child([] {
      usleep(10000);
      ::_exit(3);
    });
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(pid), kProc, kAdd, kNoteExit | kNoteExec)}) == 0);
    const auto events = w.wait(10s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uint64_t>(pid));
    CHECK(events[0].fflags == kNoteExit);
    CHECK((events[0].flags & (kEof | kOneshot)) == (kEof | kOneshot));
    CHECK(events[0].data == 3 << 8);
    CHECK(w.wait().empty());
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);  // not reaped by us
  }
  SECTION("killed by a signal, in the guest's number, and found as a zombie") {
    const pid_t pid = child([] { pause(); });
    kill(pid, SIGUSR1);
    usleep(20000);
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(pid), kProc, kAdd, kNoteExit)}) == 0);
    CHECK(w.wait(10s).at(0).data == kGuestUsr1);
    waitpid(pid, nullptr, 0);
  }
  SECTION("nobody") {
    const pid_t pid = child([] {});
    waitpid(pid, nullptr, 0);
    CHECK(w.apply({change(static_cast<std::uint64_t>(pid), kProc, kAdd, kNoteExit)}) == ESRCH);
    CHECK(w.apply({change(1, kProc, kAdd, kNoteExit | kNoteTrack)}) == EOPNOTSUPP);
    CHECK(w.apply({change(1, kProc, kAdd, kNoteFork)}) == EOPNOTSUPP);
  }
  SECTION("EVFILT_PROCDESC") {
    const pid_t pid = child([] {
      usleep(10000);
      ::_exit(4);
    });
    const int descriptor = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(descriptor), kProcdesc, kAdd, kNoteExit)}) == 0);
    CHECK(w.wait(10s).at(0).data == 4 << 8);
    waitpid(pid, nullptr, 0);
    w.close(descriptor);
    CHECK(w.apply({change(static_cast<std::uint64_t>(w.kq), kProcdesc, kAdd, kNoteExit)}) == EINVAL);
    CHECK(w.apply({change(999, kProcdesc, kAdd, kNoteExit)}) == EBADF);
  }
}

TEST_CASE("EVFILT_VNODE") {
  World w;
  TempFile file;
  const auto watch = [&](int fd, std::uint32_t notes, std::uint32_t flags = kAdd | kClear) {
    REQUIRE(w.apply({change(static_cast<std::uint64_t>(fd), kVnode, flags, notes)}) == 0);
  };
  const auto seen = [&] {
    std::uint32_t notes = 0;
    for (const Kevent& event : w.wait(10ms)) notes |= event.fflags;
    return notes;
  };
  const std::uint32_t all = 0x7ff;
  const std::string other = file.name + "-other";

  SECTION("contents") {
    watch(file.fd, all & ~(kNoteOpen | kNoteClose | kNoteCloseWrite | kNoteRead));
    CHECK(seen() == 0);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == (kNoteWrite | kNoteExtend));
    REQUIRE(pwrite(file.fd, "x", 1, 0) == 1);
    CHECK(seen() == kNoteWrite);
    CHECK(seen() == 0);
    REQUIRE(ftruncate(file.fd, 1) == 0);
    CHECK((seen() & kNoteWrite) != 0);
  }
  SECTION("only what was asked for, and without EV_CLEAR for good") {
    watch(file.fd, kNoteAttrib, kAdd);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == 0);
    REQUIRE(fchmod(file.fd, 0600) == 0);
    CHECK(seen() == kNoteAttrib);
    CHECK(seen() == kNoteAttrib);
  }
  SECTION("names") {
    watch(file.fd, all & ~(kNoteOpen | kNoteClose | kNoteCloseWrite | kNoteRead));
    REQUIRE(link(file.name.c_str(), other.c_str()) == 0);
    CHECK(seen() == kNoteLink);
    REQUIRE(unlink(other.c_str()) == 0);
    CHECK(seen() == kNoteDelete);
    REQUIRE(rename(file.name.c_str(), other.c_str()) == 0);
    CHECK(seen() == kNoteRename);
    REQUIRE(unlink(other.c_str()) == 0);
    CHECK(seen() == kNoteDelete);
  }
  SECTION("opening, reading, closing") {
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    watch(file.fd, kNoteOpen | kNoteClose | kNoteCloseWrite | kNoteRead);
    const int reader = open(file.name.c_str(), O_RDONLY);
    CHECK(seen() == kNoteOpen);
    char byte = 0;
    REQUIRE(::read(reader, &byte, 1) == 1);
    CHECK(seen() == kNoteRead);
    ::close(reader);
    CHECK(seen() == kNoteClose);
    ::close(open(file.name.c_str(), O_WRONLY));
    CHECK(seen() == (kNoteOpen | kNoteCloseWrite));
  }
  SECTION("directories") {
    std::string name = "/tmp/sudrun-kqueue-dir-XXXXXX";
    REQUIRE(mkdtemp(name.data()) != nullptr);
    const int directory = open(name.c_str(), O_RDONLY | O_DIRECTORY);
    watch(directory, all & ~(kNoteOpen | kNoteClose | kNoteRead));
    const std::string a = name + "/a", b = name + "/b";
    ::close(open(a.c_str(), O_CREAT | O_WRONLY, 0600));
    CHECK(seen() == kNoteWrite);
    REQUIRE(rename(a.c_str(), b.c_str()) == 0);
    CHECK(seen() == kNoteWrite);
    REQUIRE(mkdir(a.c_str(), 0700) == 0);
    CHECK(seen() == (kNoteWrite | kNoteLink));
    REQUIRE(rmdir(a.c_str()) == 0);
    CHECK((seen() & (kNoteWrite | kNoteLink)) == (kNoteWrite | kNoteLink));
    REQUIRE(rename(b.c_str(), other.c_str()) == 0);
    CHECK(seen() == (kNoteWrite | kNoteExtend));
    unlink(other.c_str());
    REQUIRE(rmdir(name.c_str()) == 0);
    CHECK((seen() & kNoteDelete) != 0);
    w.close(directory);
  }
  SECTION("two descriptors of one file have their own knotes") {
    const int second = open(file.name.c_str(), O_RDONLY);
    watch(file.fd, kNoteWrite);
    watch(second, kNoteAttrib);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uint64_t>(file.fd));
    w.close(second);
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == kNoteWrite);
    watch(file.fd, kNoteAttrib, 0);  // other notes from now on
    REQUIRE(::write(file.fd, "abc", 3) == 3);
    CHECK(seen() == 0);
    REQUIRE(fchmod(file.fd, 0640) == 0);
    CHECK(seen() == kNoteAttrib);
  }
  SECTION("a socket is no vnode") {
    Pair pair;
    CHECK(w.apply({change(static_cast<std::uint64_t>(pair.ends[0]), kVnode, kAdd, kNoteWrite)}) == EINVAL);
    CHECK(w.apply({change(999, kVnode, kAdd, kNoteWrite)}) == EBADF);
    for (int end : pair.ends) w.close(end);
  }
  w.close(file.fd);
  CHECK(seen() == 0);
}
