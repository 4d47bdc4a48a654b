// Handlers, functions in both directions, tables, and what goes wrong.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csetjmp>
#include <cstring>
#include <thread>

#include "tests/embed/code.hpp"

using namespace sudrun;
using namespace sudrun::test;

namespace {

/// Runs getpid and exits with its result.
Stop run_getpid(CodeGuest& it) {
  return it.thread(code(mov_eax(kGetpid), kSyscall, Bytes{0x89, 0xc7}, mov_eax(kExit), kSyscall)).run();
}

}  // namespace

TEST_CASE("handlers come in their order, and the first result counts", "[embed]") {
  CodeGuest it;
  std::string order;
  it.guest.before(SUDRUN_EVERY_CALL, [&](Call) { order += "a"; });
  it.guest.before(kGetpid, [&](Call) { order += "b"; });
  it.guest.before(kGetpid, [&](Call) { order += "c"; });
  it.guest.instead(kGetpid, [&](Call call) {
    order += "d";
    call.succeed(6);
  });
  it.guest.after(kGetpid, [&](Call call) {
    order += "e";
    CHECK(call.result() == 6);
    call.succeed(7);
  });
  const Stop stop = run_getpid(it);
  CHECK(stop.value == 7);
  CHECK(order == "cbadea");  // the last is exit's
}

TEST_CASE("a call is denied with any error", "[embed]") {
  CodeGuest it;
  bool by_name = GENERATE(false, true);
  it.guest.before(kGetpid, [&](Call call) {
    if (by_name)
      call.fail(it.table.error_number("EDOOFUS"));
    else
      call.fail_as_host(ENOENT);
  });
  // The carry flag is what exit's status tells: setc al; movzx edi, al
  Thread thread = it.thread(
      code(mov_eax(kGetpid), kSyscall, Bytes{0x0f, 0x92, 0xc3, 0x0f, 0xb6, 0xfb}, mov_eax(kExit), kSyscall));
  const Stop at_exit = [&] {
    while (true)
      if (const Stop stop = thread.run_to_call(); stop.value == kExit) return stop;
  }();
  CHECK(at_exit.reason == SUDRUN_STOP_CALL);
  CHECK(thread.run().value == 1);
}

TEST_CASE("a handler may have the call carried out, and change it before", "[embed]") {
  CodeGuest it;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const std::uint64_t text = it.guest.map(4096, SUDRUN_READ | SUDRUN_WRITE);
  REQUIRE(it.guest.write(text, "abcdef", 6));
  it.guest.instead(kWrite, [&](Call call) {
    call.set_argument(0, static_cast<std::uint64_t>(ends[1]));
    call.set_argument(2, 3);
    call.proceed();
    CHECK(call.succeeded());
    CHECK(call.result() == 3);
  });
  Thread thread =
      it.thread(code(mov_edi(99), mov_rsi(text), mov_edx(6), mov_eax(kWrite), kSyscall, call1(kExit, 0)));
  CHECK(thread.run().reason == SUDRUN_STOP_EXITED);
  char got[8] = {};
  CHECK(::read(ends[0], got, sizeof got) == 3);
  CHECK(std::string(got) == "abc");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("calls the table has not, and rows without support, are for handlers too", "[embed]") {
  CodeGuest it;
  it.guest.instead(900, [](Call call) {
    CHECK(call.number() == 900);
    CHECK(call.name().empty());
    call.succeed(call.argument(0) + 1);
  });
  const Stop stop = it.thread(code(call1(900, 11), Bytes{0x89, 0xc7}, mov_eax(kExit), kSyscall)).run();
  CHECK(stop.value == 12);
}

TEST_CASE("an exception from a handler ends the guest and comes out of run", "[embed]") {
  for (int round = 0; round < 50; ++round) {
    CodeGuest it;
    it.guest.before(kGetpid, [](Call) { throw std::runtime_error("no more of this"); });
    Thread thread = it.thread(code(mov_eax(kGetpid), kSyscall, call1(kExit, 0)));
    CHECK_THROWS_WITH(thread.run(), "no more of this");
    CHECK_THROWS_AS(thread.run(), Error);
  }
}

TEST_CASE("a foreign function is called, from outside and from handlers", "[embed]") {
  CodeGuest it;
  // lea rax, [rdi+rsi*2]; ret
  const std::uint64_t add = it.place({0x48, 0x8d, 0x04, 0x77, 0xc3});
  std::uint64_t inside = 0;
  it.guest.instead(kGetpid, [&](Call call) {
    inside = call.thread().call(add, {5, 6});
    call.succeed(inside);
  });
  Thread thread = it.thread(code(mov_eax(kGetpid), kSyscall, Bytes{0x89, 0xc7}, mov_eax(kExit), kSyscall));
  CHECK(thread.call(add, {1, 20}) == 41);
  CHECK(thread.call(add, {2, 20}) == 42);
  CHECK(thread.run().value == 17);
  CHECK(inside == 17);
}

TEST_CASE("calls nest between the sides as deep as there is stack", "[embed]") {
  CodeGuest it;
  // Foreign: f(n) = n == 0 ? 0 : 1 + host(n - 1), and host(n) calls f(n). rbx is kept across.
  std::uint64_t foreign = 0;
  int depth = 0, deepest = 0;
  const std::uint64_t host = it.guest.add_function([&](Thread thread, const std::uint64_t* arguments) {
    deepest = std::max(deepest, ++depth);
    const std::uint64_t result = thread.call(foreign, {arguments[0]});
    --depth;
    return result;
  });
  // test edi, edi; jnz +3; xor eax, eax; ret; dec edi; push rbx; sub rsp, 0; mov rax, host; call rax;
  // inc rax; pop rbx; ret
  foreign = it.place(code(Bytes{0x85, 0xff, 0x75, 0x03, 0x31, 0xc0, 0xc3, 0xff, 0xcf, 0x53},
                          call_absolute(host), Bytes{0x48, 0xff, 0xc0, 0x5b, 0xc3}));
  Thread thread = it.thread(kForever);
  CHECK(thread.call(foreign, {0}) == 0);
  CHECK(thread.call(foreign, {50}) == 50);
  CHECK(deepest == 50);
  depth = 0;
  CHECK_THROWS_WITH(thread.call(foreign, {1000000}), Catch::Contains("no room"));
  CHECK(deepest > 60);
}

TEST_CASE("vector registers and flags survive what a handler calls", "[embed]") {
  CodeGuest it;
  // pcmpeqd xmm0, xmm0 (all ones); ret
  const std::uint64_t spoil = it.place({0x66, 0x0f, 0x76, 0xc0, 0xc3});
  it.guest.instead(kGetpid, [&](Call call) {
    call.thread().call(spoil);
    call.succeed(0);
  });
  // pxor xmm0, xmm0; getpid; movq rdi, xmm0; exit
  const Stop stop = it.thread(code(Bytes{0x66, 0x0f, 0xef, 0xc0}, mov_eax(kGetpid), kSyscall,
                                   Bytes{0x66, 0x48, 0x0f, 0x7e, 0xc7}, mov_eax(kExit), kSyscall))
                        .run();
  CHECK(stop.value == 0);
}

TEST_CASE("a function that does not return leaves the thread in it", "[embed]") {
  CodeGuest it;
  const std::uint64_t exits = it.place(call1(kExit, 9));
  Thread thread = it.thread(kForever);
  std::uint64_t result = 0;
  sudrun_stop stop{};
  sudrun_error error{};
  CHECK(sudrun_thread_call(thread.get(), exits, nullptr, 0, &result, &stop, &error) == SUDRUN_E_STATE);
  CHECK(stop.reason == SUDRUN_STOP_EXITED);
  CHECK(stop.value == 9);
}

TEST_CASE("guests of different systems take turns, and run at the same time", "[embed]") {
  constexpr std::uint32_t kLinuxGetpid = 39, kLinuxExit = 60;
  static_cast<void>(kLinuxExit);
  CodeGuest bsd, other("linux-amd64");
  const auto suspend = [](Call call) {
    call.suspend();
    call.succeed(1);
  };
  bsd.guest.instead(kGetpid, suspend);
  other.guest.instead(kLinuxGetpid, suspend);
  const Bytes count{0x48, 0xff, 0xc3, 0xeb, 0xf4};
  Thread one = bsd.thread(code(mov_eax(kGetpid), kSyscall, count));
  Thread two = other.thread(code(mov_eax(kLinuxGetpid), kSyscall, count));
  for (int round = 0; round < 100; ++round) {
    REQUIRE(one.run().reason == SUDRUN_STOP_ASKED);
    REQUIRE(two.run().reason == SUDRUN_STOP_ASKED);
  }
  CHECK(one.registers().rbx == 99);
  CHECK(two.registers().rbx == 99);
  const auto run = [](Thread thread) {
    for (int round = 0; round < 2000; ++round)
      if (thread.run().reason != SUDRUN_STOP_ASKED) return;
  };
  std::thread first(run, one), second(run, two);
  first.join();
  second.join();
  CHECK(one.registers().rbx == 2099);
  CHECK(two.registers().rbx == 2099);
}

TEST_CASE("host threads each run guests of their own", "[embed]") {
  std::atomic<int> good{0};
  std::vector<std::thread> all;
  for (int i = 0; i < 4; ++i) {
    all.emplace_back([&good, i] {
      for (int round = 0; round < 50; ++round) {
        CodeGuest it;
        it.guest.instead(kGetpid, [&](Call call) { call.succeed(static_cast<std::uint64_t>(i + round)); });
        if (run_getpid(it).value == i + round) ++good;
      }
    });
  }
  for (std::thread& thread : all) thread.join();
  CHECK(good == 200);
}

namespace {
sigjmp_buf back;
volatile sig_atomic_t caught;
void on_fault(int signal, siginfo_t*, void*) {
  caught = signal;
  siglongjmp(back, 1);
}
}  // namespace

TEST_CASE("the program's own handlers still get what is theirs, and come back", "[embed]") {
  struct sigaction before {
  }, action{}, now{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  REQUIRE(::sigaction(SIGSEGV, &action, &before) == 0);
  {
    CodeGuest it;
    CHECK(run_getpid(it).reason == SUDRUN_STOP_EXITED);
    caught = 0;
    volatile int* const nowhere =
        static_cast<volatile int*>(::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (sigsetjmp(back, 1) == 0) *nowhere = 1;
    CHECK(caught == SIGSEGV);
    ::munmap(const_cast<int*>(nowhere), 4096);
    REQUIRE(::sigaction(SIGSEGV, nullptr, &now) == 0);
    CHECK(now.sa_sigaction != on_fault);
  }
  REQUIRE(::sigaction(SIGSEGV, nullptr, &now) == 0);
  CHECK(now.sa_sigaction == on_fault);
  ::sigaction(SIGSEGV, &before, nullptr);
}

TEST_CASE("threads that handlers start are the program's, during the guest and after it", "[embed]") {
  // Each is started with the guest's %gs.
  struct sigaction before {
  }, action{};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO;
  REQUIRE(::sigaction(SIGSEGV, &action, &before) == 0);
  void* const nowhere = ::mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const auto thread_pointer = [] {
    void* here = nullptr;
    asm volatile("mov %%fs:0, %0" : "=r"(here));
    return here;
  };
  const auto fault = [=] {
    void* const self = thread_pointer();
    caught = 0;
    if (sigsetjmp(back, 1) == 0) *static_cast<volatile int*>(nowhere) = 1;
    if (thread_pointer() != self) caught = -1;
  };
  {
    std::atomic<bool> guest_is_gone{false};
    std::thread outlives;
    CodeGuest other;  // the library's handlers stay
    {
      CodeGuest it;
      it.guest.instead(kGetpid, [&](Call call) {
        std::thread(fault).join();
        outlives = std::thread([&] {
          while (!guest_is_gone) std::this_thread::yield();
          fault();
        });
        call.succeed(static_cast<std::uint64_t>(caught));
      });
      CHECK(run_getpid(it).value == SIGSEGV);
    }
    guest_is_gone = true;
    outlives.join();
    CHECK(caught == SIGSEGV);
    CHECK(run_getpid(other).reason == SUDRUN_STOP_EXITED);
  }
  ::munmap(nowhere, 4096);
  ::sigaction(SIGSEGV, &before, nullptr);
}

TEST_CASE("a handler that somebody has replaced is noticed", "[embed]") {
  CodeGuest it;
  struct sigaction before {};
  ::sigaction(SIGSYS, nullptr, &before);
  ::signal(SIGSYS, SIG_IGN);
  CHECK_THROWS_WITH(run_getpid(it), Catch::Contains("SIGSYS"));
  ::sigaction(SIGSYS, &before, nullptr);
  CHECK(run_getpid(it).reason == SUDRUN_STOP_EXITED);
}

TEST_CASE("mask and alternate stack of the host thread are as they were", "[embed]") {
  sigset_t mask, after;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR2);
  sigset_t outer;
  ::pthread_sigmask(SIG_BLOCK, &mask, &outer);
  std::vector<char> stack(65536);
  stack_t ours{}, old{}, now{};
  ours.ss_sp = stack.data();
  ours.ss_size = stack.size();
  ::sigaltstack(&ours, &old);
  CodeGuest it;
  CHECK(it.thread(kForever).run_for(std::chrono::milliseconds(1)).reason == SUDRUN_STOP_DEADLINE);
  ::sigaltstack(nullptr, &now);
  CHECK(now.ss_sp == stack.data());
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  CHECK(sigismember(&after, SIGUSR2) == 1);
  CHECK(sigismember(&after, SIGUSR1) == 0);
  CHECK(sigismember(&after, 59) == 0);
  ::sigaltstack(&old, nullptr);
  ::pthread_sigmask(SIG_SETMASK, &outer, nullptr);
}

TEST_CASE("tables that cannot be had say why", "[embed]") {
  CHECK_THROWS_WITH(Table::builtin("amiga"), Catch::Contains("`amiga`") && Catch::Contains("freebsd-amd64"));
  CHECK_THROWS_WITH(Table::from_text("abi: [", "mine.yaml"), Catch::StartsWith("mine.yaml:"));
  CHECK_THROWS_WITH(Table::from_text("extends: freebsd-amd64\ncals: {}\n", "mine.yaml"),
                    Catch::StartsWith("mine.yaml:2:1: ") && Catch::Contains("calls"));
  CHECK_THROWS_AS(Table::from_file("/nowhere.yaml"), Error);
}

TEST_CASE("one row of a table can be another", "[embed]") {
  const Table table = Table::from_text("extends: freebsd-amd64\ncalls:\n  20: {error: EPERM}\n");
  Guest guest(table);
  int failed_with = 0;
  guest.after(kGetpid,
              [&](Call call) { failed_with = call.succeeded() ? 0 : static_cast<int>(call.result()); });
  const Bytes bytes = code(mov_eax(kGetpid), kSyscall, call1(kExit, 0));
  const std::uint64_t at = guest.map(4096, SUDRUN_READ | SUDRUN_WRITE | SUDRUN_EXECUTE);
  guest.write(at, bytes.data(), bytes.size());
  CHECK(guest.make_thread(at).run().reason == SUDRUN_STOP_EXITED);
  CHECK(failed_with == table.error_number("EPERM"));
}

TEST_CASE("wrong use is told, and does nothing", "[embed]") {
  sudrun_error error{};
  sudrun_table* table = nullptr;
  sudrun_guest* guest = nullptr;
  CHECK(sudrun_table_builtin(nullptr, &table, &error) == SUDRUN_E_ARGUMENT);
  CHECK(std::strlen(error.message) > 0);
  CHECK(sudrun_table_builtin("freebsd-amd64", nullptr, nullptr) == SUDRUN_E_ARGUMENT);
  CHECK(sudrun_guest_new(nullptr, nullptr, &guest, &error) == SUDRUN_E_ARGUMENT);
  CodeGuest it;
  CHECK_THROWS_AS(it.guest.map(0, SUDRUN_READ), Error);
  CHECK_THROWS_AS(it.guest.map(4096, 64), Error);
  CHECK_THROWS_AS(it.guest.map(4096, SUDRUN_READ, 0x7000'0000'0000), Error);
  CHECK_THROWS_AS(it.guest.on_call(-5, SUDRUN_BEFORE, [](Call) {}), Error);
  char byte = 0;
  CHECK_FALSE(it.guest.read(0x1000, &byte, 1));
  CHECK_FALSE(it.guest.read(reinterpret_cast<std::uint64_t>(&byte), &byte, 1));
  CHECK(run_getpid(it).reason == SUDRUN_STOP_EXITED);
  CHECK_THROWS_WITH(it.guest.before(kGetpid, [](Call) {}), Catch::Contains("has run"));
  CHECK(sudrun_thread_free(nullptr) == SUDRUN_OK);
  CHECK(sudrun_guest_free(nullptr) == SUDRUN_OK);

  // A guest that runs is not freed.
  CodeGuest busy;
  sudrun_status freed = SUDRUN_OK, run_again = SUDRUN_OK;
  busy.guest.instead(kGetpid, [&](Call call) {
    freed = sudrun_guest_free(busy.guest.get());
    sudrun_stop stop{};
    run_again = sudrun_thread_run(call.thread().get(), 0, SUDRUN_FOREVER, &stop, nullptr);
    call.succeed(3);
  });
  CHECK(run_getpid(busy).value == 3);
  CHECK(freed == SUDRUN_E_STATE);
  CHECK(run_again == SUDRUN_E_STATE);
}

TEST_CASE("files that only the guest sees", "[embed]") {
  CodeGuest it;
  it.guest.add_file("/nowhere/greeting", "hello");
  const std::uint64_t memory = it.guest.map(4096, SUDRUN_READ | SUDRUN_WRITE);
  REQUIRE(it.guest.write(memory, "/nowhere/greeting", 18));
  constexpr std::uint32_t kOpen = 5;
  // open(path, O_RDONLY); read(it, memory, 16); exit(result)
  const Stop stop = it.thread(code(mov_rdi(memory), mov_esi(0), mov_eax(kOpen), kSyscall, Bytes{0x89, 0xc7},
                                   mov_rsi(memory), mov_edx(16), mov_eax(kRead), kSyscall, Bytes{0x89, 0xc7},
                                   mov_eax(kExit), kSyscall))
                        .run();
  CHECK(stop.value == 5);
  char text[6] = {};
  REQUIRE(it.guest.read(memory, text, 5));
  CHECK(std::string(text) == "hello");
}
