// EVFILT_READ and EVFILT_WRITE against the real kernel, with every flag.
#include <sys/syscall.h>

#include <thread>

#include "tests/abi/kqueue_world.hpp"

using namespace sudrun::test;
using namespace sudrun::test::kqueue;

namespace {

/// How often the kernel has been asked what is ready.
unsigned looks(World& w) { return w.host.made(SYS_epoll_pwait2) + w.host.made(SYS_epoll_wait); }

}  // namespace

TEST_CASE("a readable pipe is reported as long as it is readable") {
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd, 0, 0, 77)}) == 0);
  CHECK(w.wait().empty());
  pipe.put("hello");
  for (int i = 0; i < 3; ++i) {
    const auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].ident == static_cast<std::uint64_t>(pipe.reader()));
    CHECK(events[0].filter == kRead);
    CHECK(events[0].flags == 0);
    CHECK(events[0].data == 5);
    CHECK(events[0].udata == 77);
  }
  pipe.drain();
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kDelete)}) == 0);
  pipe.put("x");
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kDelete)}) == ENOENT);
  w.close(pipe.reader());
  CHECK(w.apply({change(pipe.reader(), kRead, kDelete)}) == EBADF);
  w.close(pipe.writer());
}

TEST_CASE("the end of a pipe is EV_EOF on both sides") {
  World w;
  Pipe pipe;
  SECTION("no writer is left") {
    REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
    pipe.put("abc");
    w.close(pipe.writer());
    const auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == kEof);
    CHECK(events[0].data == 3);
    w.close(pipe.reader());
  }
  SECTION("no reader is left") {
    REQUIRE(w.apply({change(pipe.writer(), kWrite, kAdd | kClear)}) == 0);
    CHECK(w.wait(1s).size() == 1);
    w.close(pipe.reader());
    const auto events = w.wait(1s);
    REQUIRE(events.size() == 1);
    CHECK(events[0].flags == (kEof | kClear));
    CHECK(events[0].data == 0);
    w.close(pipe.writer());
  }
}

TEST_CASE("a writable pipe tells its room") {
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.writer(), kWrite, kAdd)}) == 0);
  auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 65536);
  const std::string much(4096, 'x');
  while (::write(pipe.writer(), much.data(), much.size()) > 0) {
  }
  CHECK(w.wait().empty());
  pipe.drain();
  CHECK(w.wait(1s).size() == 1);
  w.close(pipe.reader());
  w.close(pipe.writer());
}

TEST_CASE("EV_CLEAR reports edges") {
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kClear)}) == 0);
  CHECK(w.wait().empty());
  pair.put("one");
  auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 3);
  CHECK(events[0].flags == kClear);
  CHECK(w.wait().empty());
  pair.put("more");
  events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 7);
  // Registering again evaluates the filter anew.
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kClear)}) == 0);
  CHECK(w.wait().size() == 1);
  CHECK(w.wait().empty());
  ::shutdown(pair.ends[1], SHUT_WR);
  events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].flags == (kClear | kEof));
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("Go's network poller: both filters at once cost one native call") {
  World w;
  Pair pair;
  const unsigned before = w.host.made(SYS_epoll_ctl);
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kClear, 0, 0, 5),
                   change(pair.ends[0], kWrite, kAdd | kClear, 0, 0, 6)}) == 0);
  CHECK(w.host.made(SYS_epoll_ctl) == before + 1);
  auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].filter == kWrite);
  CHECK(events[0].udata == 6);
  CHECK(events[0].data > 0);
  CHECK(w.wait().empty());
  pair.put("x");
  events = w.wait(1s);
  REQUIRE(!events.empty());
  CHECK(events[0].filter == kRead);
  CHECK(events[0].udata == 5);
  CHECK(events[0].data == 1);
  CHECK(w.wait().empty());
  // Closing needs no EV_DELETE, even with the file open elsewhere.
  const int copy = dup(pair.ends[0]);
  w.close(pair.ends[0]);
  pair.put("y");
  CHECK(w.wait(20ms).empty());
  w.close(copy);
  w.close(pair.ends[1]);
  CHECK(w.apply({change(pair.ends[0], kRead, kAdd | kClear), change(pair.ends[0], kWrite, kAdd | kClear)}) ==
        EBADF);
}

TEST_CASE("the filters of one descriptor may differ in EV_CLEAR") {
  const bool read_clears = GENERATE(true, false);
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | (read_clears ? kClear : 0)),
                   change(pair.ends[0], kWrite, kAdd | (read_clears ? 0 : kClear))}) == 0);
  pair.put("x");
  auto events = w.wait(1s);
  REQUIRE(events.size() == 2);
  for (int i = 0; i < 3; ++i) {
    events = w.wait();
    REQUIRE(events.size() == 1);
    CHECK(events[0].filter == (read_clears ? kWrite : kRead));
  }
  if (read_clears) {
    pair.put("y");
    CHECK(w.wait(1s).size() == 2);
  }
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("with room for one event both filters take turns and no edge is lost") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  World w;
  Pair pair;
  pair.put("x");
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | clear), change(pair.ends[0], kWrite, kAdd | clear)}) ==
          0);
  const auto first = w.wait(1s, 1);
  const auto second = w.wait(1s, 1);
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 1);
  CHECK(first[0].filter != second[0].filter);
  CHECK(w.wait(0s, 1).size() == (clear != 0 ? 0 : 1));
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("EV_ONESHOT removes the knote when it is reported") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd | kOneshot | clear)}) == 0);
  pipe.put("x");
  CHECK(w.wait(1s).size() == 1);
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kEnable)}) == ENOENT);
  w.close(pipe.reader());
  w.close(pipe.writer());
}

TEST_CASE("EV_DISPATCH disables the knote when it is reported") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  const bool both = GENERATE(false, true);
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | kDispatch | clear)}) == 0);
  if (both) {
    REQUIRE(w.apply({change(pair.ends[0], kWrite, kAdd | kDispatch | clear)}) == 0);
    CHECK(w.wait().size() == 1);
  }
  pair.put("x");
  CHECK(w.wait(1s).size() == 1);
  CHECK(w.wait().empty());
  pair.put("y");
  CHECK(w.wait(5ms).empty());
  REQUIRE(w.apply({change(pair.ends[0], kRead, kEnable, 0, 0, 9)}) == 0);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 2);
  CHECK(events[0].udata == 9);
  CHECK(w.wait().empty());
  pair.drain();
  REQUIRE(w.apply({change(pair.ends[0], kRead, kEnable)}) == 0);
  CHECK(w.wait().empty());
  pair.put("z");
  CHECK(w.wait(1s).size() == 1);
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("EV_DISABLE silences and EV_ENABLE evaluates anew") {
  const std::uint32_t clear = GENERATE(0u, kClear);
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd | kDisable | clear)}) == 0);
  pipe.put("x");
  CHECK(w.wait(5ms).empty());
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable)}) == 0);
  CHECK(w.wait().size() == 1);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kDisable)}) == 0);
  CHECK(w.wait().empty());
  CHECK(w.apply({change(pipe.reader(), kRead, kDisable | kEnable)}) == EINVAL);
  // A hang-up does not wake a queue whose only knote is disabled.
  w.close(pipe.writer());
  const auto start = std::chrono::steady_clock::now();
  CHECK(w.wait(30ms).empty());
  CHECK(std::chrono::steady_clock::now() - start >= 30ms);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable)}) == 0);
  CHECK(w.wait().size() == 1);
  w.close(pipe.reader());
}

TEST_CASE("udata changes with every change unless EV_KEEPUDATA says otherwise") {
  World w;
  Pipe pipe;
  pipe.put("x");
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd, 0, 0, 1)}) == 0);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable | kKeepUdata, 0, 0, 2)}) == 0);
  CHECK(w.wait().at(0).udata == 1);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kEnable, 0, 0, 3)}) == 0);
  CHECK(w.wait().at(0).udata == 3);
  CHECK(w.apply({change(pipe.reader(), kRead, kAdd | kKeepUdata)}) == EINVAL);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("ext comes back as it was given; the older structure has none") {
  World w;
  Kevent c = change(1, kUser, kAdd | kClear);
  for (unsigned i = 0; i < 4; ++i) c.ext[i] = 100 + i;
  REQUIRE(w.apply({c, change(1, kUser, 0, kNoteTrigger)}) == 0);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  for (unsigned i = 0; i < 4; ++i) CHECK(events[0].ext[i] == 100 + i);

  auto* old = w.arena.make<GuestKevent11>(2);
  old[0] = {1, kUser, 0, kNoteTrigger, 0, 42};
  const KeventTimeout zero{};
  const Result result =
      w.registry.kevent(w.host, table(), {kKevent11Codec, w.kq, guest(old), 1, guest(old), 2, &zero});
  REQUIRE(result.is_ok());
  REQUIRE(result.value() == 1);
  CHECK(old[0].udata == 42);
  CHECK(old[0].flags == kClear);
  CHECK(old[1].ident == 0);
}

TEST_CASE("EV_FORCEONESHOT reports and removes a knote that is not ready") {
  World w;
  Pipe pipe;
  REQUIRE(w.apply({change(pipe.reader(), kRead, kAdd)}) == 0);
  REQUIRE(w.apply({change(pipe.reader(), kRead, kForceOneshot)}) == 0);
  const auto events = w.wait();
  REQUIRE(events.size() == 1);
  CHECK((events[0].flags & kOneshot) != 0);
  CHECK(w.apply({change(pipe.reader(), kRead, kEnable)}) == ENOENT);
  for (int end : pipe.ends) w.close(end);
}

TEST_CASE("EVFILT_READ of a listening socket tells the waiting connections") {
  World w;
  sockaddr_in address;
  const int server = listening(address);
  REQUIRE(w.apply({change(server, kRead, kAdd)}) == 0);
  CHECK(w.wait().empty());
  const int one = connecting(address), two = connecting(address);
  const auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 2);
  CHECK(events[0].flags == 0);
  for (int fd : {server, one, two}) w.close(fd);
}

TEST_CASE("a refused connection is EV_EOF with the guest's errno, and the error stays for the guest") {
  World w;
  sockaddr_in address;
  ::close(listening(address));
  const int fd = connecting(address, SOCK_NONBLOCK);
  REQUIRE(w.apply({change(fd, kRead, kAdd | kClear), change(fd, kWrite, kAdd | kClear)}) == 0);
  const auto events = w.wait(1s);
  REQUIRE(events.size() == 2);
  for (const Kevent& event : events) {
    CHECK((event.flags & kEof) != 0);
    CHECK(event.fflags == kGuestConnRefused);
  }
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  CHECK(error == ECONNREFUSED);
  w.close(fd);
}

TEST_CASE("a reset connection is EV_EOF with the guest's errno") {
  World w;
  sockaddr_in address;
  const int server = listening(address);
  const int client = connecting(address);
  const int served = accept(server, nullptr, nullptr);
  REQUIRE(served >= 0);
  REQUIRE(w.apply({change(client, kWrite, kAdd | kClear)}) == 0);
  CHECK(w.wait(1s).size() == 1);
  REQUIRE(w.apply({change(client, kRead, kAdd)}) == 0);
  const linger hard{1, 0};
  setsockopt(served, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  ::close(served);
  auto events = w.wait(1s);
  REQUIRE(!events.empty());
  for (const Kevent& event : events) {
    CHECK((event.flags & kEof) != 0);
    CHECK(event.fflags == kGuestConnReset);
  }
  for (int fd : {server, client}) w.close(fd);
}

TEST_CASE("the peer's half-close is EV_EOF for reading only") {
  World w;
  sockaddr_in address;
  const int server = listening(address);
  const int client = connecting(address);
  const int served = accept(server, nullptr, nullptr);
  REQUIRE(w.apply({change(client, kRead, kAdd), change(client, kWrite, kAdd)}) == 0);
  ::send(served, "ab", 2, 0);
  shutdown(served, SHUT_WR);
  std::this_thread::sleep_for(10ms);
  for (const Kevent& event : w.wait(1s)) {
    if (event.filter == kRead) {
      CHECK(event.flags == kEof);
      CHECK(event.data == 2);
      CHECK(event.fflags == 0);
    } else {
      CHECK(event.flags == 0);
      CHECK(event.data > 0);
    }
  }
  for (int fd : {server, client, served}) w.close(fd);
}

TEST_CASE("a socket not yet connected is not at its end") {
  const std::uint32_t clear = GENERATE(0u, kClear, kDispatch);
  World w;
  sockaddr_in address;
  const int server = listening(address);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(w.apply({change(fd, kRead, kAdd | clear)}) == 0);
  const unsigned before = looks(w);
  CHECK(w.wait(20ms).empty());
  CHECK(looks(w) - before <= 4);  // it slept
  REQUIRE(w.apply({change(fd, kWrite, kAdd | clear)}) == 0);
  CHECK(w.wait(20ms).empty());
  REQUIRE(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  const auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].filter == kWrite);
  CHECK((events[0].flags & kEof) == 0);
  const int served = accept(server, nullptr, nullptr);
  ::send(served, "abc", 3, 0);
  const auto more = w.wait(1s);
  REQUIRE(!more.empty());
  for (int f : {server, fd, served}) w.close(f);
}

TEST_CASE("NOTE_LOWAT holds a reader back") {
  const std::uint32_t clear = GENERATE(0u, kClear, kDispatch);
  World w;
  Pair pair;
  REQUIRE(w.apply({change(pair.ends[0], kRead, kAdd | clear, kNoteLowat, 4)}) == 0);
  pair.put("ab");
  const unsigned before = looks(w);
  CHECK(w.wait(20ms).empty());
  CHECK(looks(w) - before <= 5);
  pair.put("cd");
  auto events = w.wait(1s);
  REQUIRE(events.size() == 1);
  CHECK(events[0].data == 4);
  CHECK(w.wait().size() == (clear == 0 ? 1 : 0));
  for (int end : pair.ends) w.close(end);
}

TEST_CASE("a regular file is readable until its end and always writable") {
  World w;
  TempFile file;
  REQUIRE(::write(file.fd, "0123456789", 10) == 10);
  lseek(file.fd, 4, SEEK_SET);
  SECTION("level") {
    REQUIRE(w.apply({change(file.fd, kRead, kAdd), change(file.fd, kWrite, kAdd)}) == 0);
    for (int i = 0; i < 2; ++i) {
      const auto events = w.wait();
      REQUIRE(events.size() == 2);
      for (const Kevent& event : events) CHECK(event.data == (event.filter == kRead ? 6 : 0));
    }
    REQUIRE(w.apply({change(file.fd, kWrite, kDelete)}) == 0);
    lseek(file.fd, 0, SEEK_END);
    CHECK(w.wait(5ms).empty());
    lseek(file.fd, 12, SEEK_SET);
    CHECK(w.wait().at(0).data == -2);
    lseek(file.fd, 0, SEEK_END);
    CHECK(w.wait().empty());
    std::thread writer([&] {
      std::this_thread::sleep_for(20ms);
      const int other = open(file.name.c_str(), O_WRONLY | O_APPEND);
      CHECK(::write(other, "more", 4) == 4);
      ::close(other);
    });
    const auto events = w.wait(5s);
    writer.join();
    REQUIRE(events.size() == 1);
    CHECK(events[0].data == 4);
  }
  SECTION("EV_CLEAR") {
    REQUIRE(w.apply({change(file.fd, kRead, kAdd | kClear)}) == 0);
    CHECK(w.wait().at(0).data == 6);
    CHECK(w.wait().empty());
    REQUIRE(pwrite(file.fd, "more", 4, 10) == 4);
    CHECK(w.wait(1s).at(0).data == 10);
    CHECK(w.wait().empty());
  }
  SECTION("NOTE_FILE_POLL") {
    lseek(file.fd, 0, SEEK_END);
    REQUIRE(w.apply({change(file.fd, kRead, kAdd, kNoteFilePoll)}) == 0);
    CHECK(w.wait().size() == 1);
  }
  w.close(file.fd);
  CHECK(w.wait(5ms).empty());
}

TEST_CASE("a descriptor that is nothing to wait for") {
  World w;
  CHECK(w.apply({change(999, kRead, kAdd)}) == EBADF);
  CHECK(w.apply({change(std::uint64_t{1} << 40, kRead, kAdd)}) == EBADF);
  const int null = open("/dev/null", O_RDWR);
  REQUIRE(w.apply({change(null, kRead, kAdd)}) == 0);
  CHECK(w.wait().size() == 1);
  w.close(null);
}

TEST_CASE("a queue in a queue") {
  World w;
  const int inner = static_cast<int>(w.registry.create(w.host));
  REQUIRE(inner >= 0);
  REQUIRE(w.apply({change(inner, kRead, kAdd)}) == 0);
  CHECK(w.wait().empty());
  REQUIRE(w.apply_to(inner, {change(7, kUser, kAdd | kClear), change(7, kUser, 0, kNoteTrigger)}) == 0);
  CHECK(w.wait(1s).size() == 1);
  CHECK(w.wait_on(inner).size() == 1);
  CHECK(w.wait().empty());
  CHECK(w.apply({change(inner, kWrite, kAdd)}) == EINVAL);
  CHECK(w.apply({change(w.kq, kRead, kAdd)}) == EINVAL);
  w.close(inner);
}
