// kevent(2) itself, and event queues through closing, forking and many threads.
#include <signal.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <set>
#include <thread>

#include "tests/abi/kqueue_world.hpp"

using namespace sudrun::test;
using namespace sudrun::test::kqueue;

// --- kevent itself ----------------------------------------------------------------------------------------

TEST_CASE("arguments of kevent") {
  World w;
  const KeventTimeout zero{};
  auto* events = w.arena.make<Kevent>(4);
  const auto error = [](const Result& result) {
    return result.is_ok() ? 0 : static_cast<int>(result.value());
  };
  CHECK(error(w.run(-1, {}, events, 4, &zero)) == EBADF);
  CHECK(error(w.run(0, {}, events, 4, &zero)) == EBADF);
  CHECK(error(w.run(w.kq, {}, events, -1, &zero)) == EINVAL);
  const KeventTimeout negative{-1, 0}, large{0, 1'000'000'000};
  CHECK(error(w.run(w.kq, {}, events, 4, &negative)) == EINVAL);
  CHECK(error(w.run(w.kq, {}, events, 4, &large)) == EINVAL);
  CHECK(error(w.run(w.kq, {}, events, 0, &negative)) == 0);
  const auto raw = [&](Word changes, int count, Word to, int room) {
    return error(w.registry.kevent(
        w.host, table(), {kKeventCodec, w.kq, guest_addr(changes), count, guest_addr(to), room, &zero}));
  };
  CHECK(raw(0, -1, 0, 0) == EINVAL);
  CHECK(raw(16, 1, 0, 0) == EFAULT);
  REQUIRE(w.apply({change(1, kUser, kAdd), change(1, kUser, 0, kNoteTrigger)}) == 0);
  CHECK(raw(0, 0, 16, 1) == EFAULT);
  CHECK(raw(0, 0, ~Word{0}, 1) == EFAULT);
  CHECK(w.apply({change(0, 0, kAdd)}) == 0);  // filter 0 is skipped
  CHECK(w.apply({change(0, 1, kAdd)}) == EINVAL);
  CHECK(w.apply({change(0, -14, kAdd)}) == EINVAL);
}

TEST_CASE("filters that are not there") {
  World w;
  Pipe pipe;
  CHECK(w.apply({change(1, kAio, kAdd)}) == EPERM);
  CHECK(w.apply({change(1, kLio, kAdd)}) == EPERM);
  CHECK(w.apply({change(1, kSendfile, kAdd)}) == ENXIO);
  CHECK(w.apply({change(1, kFs, kAdd)}) == EOPNOTSUPP);
  CHECK(w.apply({change(pipe.reader(), kEmpty, kAdd)}) == EINVAL);  // sockets only
  CHECK(w.apply({change(1, kUser, kDelete)}) == ENOENT);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("errors of changes are events where there is room") {
  World w;
  auto* events = w.arena.make<Kevent>(4);
  const KeventTimeout zero{};
  REQUIRE(w.apply({change(1, kUser, kAdd), change(1, kUser, 0, kNoteTrigger)}) == 0);
  SECTION("they come instead of waiting") {
    const Result result =
        w.run(w.kq, {change(999, kRead, kAdd, 0, 0, 3), change(5, kFs, kAdd), change(2, kUser, kAdd)}, events,
              4, nullptr);
    REQUIRE(result.is_ok());
    REQUIRE(result.value() == 2);
    CHECK(events[0].ident == 999);
    CHECK(events[0].flags == kError);
    CHECK(events[0].data == 9);
    CHECK(events[0].udata == 3);
    CHECK(events[1].data == kGuestNotSupported);
    CHECK(w.apply({change(2, kUser, kDelete)}) == 0);
  }
  SECTION("without room the call fails and later changes are not made") {
    const Result result = w.run(
        w.kq, {change(999, kRead, kAdd), change(5, kFs, kAdd), change(2, kUser, kAdd)}, events, 1, nullptr);
    CHECK(result.is_native_error(EOPNOTSUPP));
    CHECK(w.apply({change(2, kUser, kDelete)}) == ENOENT);
  }
  SECTION("EV_RECEIPT answers success too") {
    const Result result = w.run(
        w.kq, {change(2, kUser, kAdd | kReceipt), change(2, kUser, kDelete | kReceipt)}, events, 4, &zero);
    REQUIRE(result.is_ok());
    REQUIRE(result.value() == 2);
    for (int i = 0; i < 2; ++i) {
      CHECK(events[i].flags == kError);
      CHECK(events[i].data == 0);
    }
  }
}

TEST_CASE("many changes and many events pass in pieces") {
  World w;
  std::vector<Kevent> changes;
  for (unsigned i = 0; i < 200; ++i) changes.push_back(change(i, kUser, kAdd | kClear));
  for (unsigned i = 0; i < 200; ++i) changes.push_back(change(i, kUser, 0, kNoteTrigger));
  REQUIRE(w.apply(changes) == 0);
  CHECK(w.wait(0s, 70).size() == 70);
  CHECK(w.wait(0s, 300).size() == 130);
  CHECK(w.wait().empty());

  std::vector<Pipe> pipes(100);
  for (const Pipe& pipe : pipes) {
    pipe.put("x");
    REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  }
  CHECK(w.wait(0s, 300).size() == 100);
  CHECK(w.wait(0s, 40).size() == 40);
  for (const Pipe& pipe : pipes) {
    w.close(pipe.reader());
    w.close(pipe.writer());
  }
}

TEST_CASE("timeouts are kept to the nanosecond's order") {
  World w;
  const auto start = std::chrono::steady_clock::now();
  CHECK(w.wait(30ms).empty());
  const auto passed = std::chrono::steady_clock::now() - start;
  CHECK(passed >= 30ms);
  CHECK(passed < 2s);
}

TEST_CASE("a signal interrupts the wait, but not before what has happened") {
  World w;
  auto* events = w.arena.make<Kevent>(4);
  w.host.interrupt_next = true;
  CHECK(w.run(w.kq, {}, events, 4, nullptr).is_native_error(EINTR));
  Pipe pipe;
  pipe.put("x");
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  w.host.interrupt_next = true;
  const Result result = w.run(w.kq, {}, events, 4, nullptr);
  REQUIRE(result.is_ok());
  CHECK(result.value() == 1);
  for (int end : pipe.ends) w.close(end);
}

// --- descriptors come and go ------------------------------------------------------------------------------

TEST_CASE("a closed and reused number has no old knotes") {
  World w;
  Pipe first;
  first.put("x");
  REQUIRE(w.apply({change(first.reader(), kRead, kAdd)}) == 0);
  const int number = first.reader();
  const int kept = dup(number);
  w.close(number);
  REQUIRE(dup2(first.writer(), number) == number);
  CHECK(w.wait(5ms).empty());
  CHECK(w.apply({change(static_cast<std::uint64_t>(number), kRead, kDelete)}) == ENOENT);
  w.close(number);
  w.close(kept);
  w.close(first.writer());
}

TEST_CASE("closing a queue frees its helpers and its number") {
  RealHost host;
  KqueueRegistry registry;
  GuestArena arena;
  for (int round = 0; round < 50; ++round) {
    const int kq = static_cast<int>(registry.create(host));
    REQUIRE(kq >= 0);
    auto* changes = arena.make<Kevent>(3);
    changes[0] = change(1, kTimer, kAdd, 0, 1000);
    changes[1] = change(0, kVnode, kAdd, kNoteWrite);
    changes[2] = change(1, kUser, kAdd);
    TempFile file;
    changes[1].ident = static_cast<std::uint64_t>(file.fd);
    const KeventRequest request{kKeventCodec, kq, guest(changes), 3, {}, 0, nullptr};
    REQUIRE(registry.kevent(host, table(), request).is_ok());
    CHECK(host.hidden_count() == 3);
    registry.on_close(host, kq);
    ::close(kq);
    CHECK(host.hidden_count() == 0);
    CHECK(registry.kevent(host, table(), request).is_native_error(EBADF));
    registry.on_close(host, file.fd);
    ::close(file.fd);
  }
}

TEST_CASE("a duplicate of a queue's descriptor is the same queue") {
  World w;
  const int copy = dup(w.kq);
  w.registry.on_dup(w.kq, copy);
  REQUIRE(w.apply({change(1, kUser, kAdd), change(1, kUser, 0, kNoteTrigger)}) == 0);
  CHECK(w.wait_on(copy).size() == 1);
  w.close(w.kq);
  w.kq = copy;
  CHECK(w.wait().size() == 1);
  Pipe pipe;
  pipe.put("x");
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  CHECK(w.wait().size() == 2);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("a forked child has no queues and leaves the parent's alone") {
  World w;
  TempFile file;
  Pipe pipe;
  REQUIRE(w.apply({change(1, kTimer, kAdd, 0, 20),
                   change(static_cast<std::uint64_t>(file.fd), kVnode, kAdd | kClear, kNoteWrite),
                   change(pipe.reader(), kRead, kAdd), change(kGuestUsr1, kSignal, kAdd)}) == 0);
  w.registry.before_fork();
  const pid_t pid = ::fork();
  if (pid == 0) {
    w.registry.after_fork_in_child(w.host);
    const bool closed = fcntl(w.kq, F_GETFD) < 0 && w.host.hidden_count() == 0;
    // Closing what the parent's queue still holds, and a queue of its own.
    w.registry.on_close(w.host, pipe.reader());
    ::close(pipe.reader());
    const int own = static_cast<int>(w.registry.create(w.host));
    const bool works = w.apply_to(own, {change(1, kUser, kAdd)}) == 0;
    ::_exit(closed && works ? 0 : 1);
  }
  w.registry.after_fork_in_parent();
  int status = -1;
  REQUIRE(waitpid(pid, &status, 0) == pid);
  CHECK(status == 0);
  pipe.put("x");
  REQUIRE(::write(file.fd, "x", 1) == 1);
  w.registry.on_signal(SIGUSR1);
  std::set<int> filters;
  for (int round = 0; round < 100 && filters.size() < 4; ++round) {
    for (const Kevent& event : w.wait(1s)) filters.insert(event.filter);
    std::this_thread::sleep_for(1ms);
  }
  CHECK(filters == std::set<int>{kTimer, kSignal, kVnode, kRead});
  for (int fd : {pipe.reader(), pipe.writer(), file.fd}) w.close(fd);
}

// --- threads ----------------------------------------------------------------------------------------------

TEST_CASE("one thread waits while others add") {
  World w;
  Pipe pipe;
  std::thread other([&] {
    std::this_thread::sleep_for(10ms);
    CHECK(w.apply({change(pipe.reader(), kRead, kAdd | kClear)}) == 0);
    std::this_thread::sleep_for(5ms);
    pipe.put("x");
  });
  CHECK(w.wait(10s).size() == 1);
  other.join();
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("every triggered user event reaches exactly one of many waiting threads") {
  World w;
  constexpr int kThreads = 4, kRounds = 500;
  std::atomic<int> got{0};
  std::atomic<bool> done{false};
  REQUIRE(w.apply({change(1, kUser, kAdd | kClear)}) == 0);
  std::vector<std::thread> threads;
  std::vector<Kevent*> rooms;
  for (int i = 0; i < kThreads; ++i) rooms.push_back(w.arena.make<Kevent>(8));
  auto* trigger = w.arena.make<Kevent>();
  *trigger = change(1, kUser, 0, kNoteTrigger);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const KeventTimeout soon{0, 5'000'000};
      while (!done) {
        const Result result = w.registry.kevent(
            w.host, table(), {kKeventCodec, w.kq, {}, 0, guest(rooms[static_cast<unsigned>(i)]), 8, &soon});
        if (result.is_ok()) got += static_cast<int>(result.value());
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    const int before = got;
    CHECK(
        w.registry.kevent(w.host, table(), {kKeventCodec, w.kq, guest(trigger), 1, {}, 0, nullptr}).is_ok());
    const auto limit = std::chrono::steady_clock::now() + 10s;
    while (got == before && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    if (got == before) break;
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(got == kRounds);
}

TEST_CASE("knotes added, deleted and closed under waiting threads") {
  World w;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, events{0};
  std::vector<std::thread> threads;
  std::vector<Kevent*> rooms;
  for (int i = 0; i < 5; ++i) rooms.push_back(w.arena.make<Kevent>(8));
  const auto kevent = [&](Kevent* list, int changes, int room, const KeventTimeout* timeout) {
    return w.registry.kevent(w.host, table(),
                             {kKeventCodec, w.kq, guest(list), changes, guest(list), room, timeout});
  };
  for (unsigned i = 0; i < 2; ++i) {
    threads.emplace_back([&, i] {
      const KeventTimeout soon{0, 1'000'000};
      while (!done) {
        const Result result = kevent(rooms[i], 0, 8, &soon);
        if (!result.is_ok()) {
          ++wrong;
          continue;
        }
        events += static_cast<int>(result.value());
        for (std::size_t k = 0; k < result.value(); ++k) {
          // udata always is what this very descriptor was added with.
          if (rooms[i][k].udata != rooms[i][k].ident * 3) ++wrong;
        }
      }
    });
  }
  for (unsigned i = 2; i < 5; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 400; ++round) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0) {
          ++wrong;
          return;
        }
        Kevent* list = rooms[i];
        const auto ident = static_cast<std::uint64_t>(ends[0]);
        const std::uint32_t flags = round % 4 == 0   ? 0u
                                    : round % 4 == 1 ? kClear
                                    : round % 4 == 2 ? kOneshot
                                                     : kDispatch;
        list[0] = change(ident, kRead, kAdd | flags, 0, 0, ident * 3);
        list[1] = change(ident, kWrite, kAdd | flags, 0, 0, ident * 3);
        if (!kevent(list, 2, 0, nullptr).is_ok()) ++wrong;
        if (::write(ends[1], "x", 1) != 1) ++wrong;
        if (round % 16 == 0) usleep(500);  // the waiters' turn
        if (round % 3 == 0) {
          list[0] = change(ident, kRead, kDelete);
          kevent(list, 1, 0, nullptr);
        }
        w.registry.on_close(w.host, ends[0]);
        ::close(ends[0]);
        ::close(ends[1]);
      }
    });
  }
  for (unsigned i = 2; i < 5; ++i) threads[i].join();
  done = true;
  threads[0].join();
  threads[1].join();
  CHECK(wrong == 0);
  CHECK(events > 0);
  CHECK(w.wait().empty());
}

TEST_CASE("a queue closed under a waiting thread fails its wait when something happens") {
  World w;
  Pipe pipe;
  const int kq = static_cast<int>(w.registry.create(w.host));
  REQUIRE(w.apply_to(kq, {change(pipe.reader(), kRead, kAdd)}) == 0);
  Kevent* room = w.arena.make<Kevent>(4);
  std::atomic<int> error{0};
  std::thread waiter([&] {
    const KeventTimeout long_time{20, 0};
    const Result result =
        w.registry.kevent(w.host, table(), {kKeventCodec, kq, {}, 0, guest(room), 4, &long_time});
    error = result.is_ok() ? -1 : static_cast<int>(result.value());
  });
  std::this_thread::sleep_for(20ms);
  w.close(kq);
  pipe.put("x");
  waiter.join();
  CHECK(error == EBADF);
  for (int end : pipe.ends) w.close(end);
}
