// Many guests in one process, each in the middle of something: 10,000 counters of 30 instructions that one
// host thread takes one step further in turn.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <sudrun/sudrun.hpp>

namespace {

// mov eax, 4; syscall (the call stops here); inc rbx; jmp to the start
constexpr unsigned char kCode[] = {0xb8, 4, 0, 0, 0, 0x0f, 0x05, 0x48, 0xff, 0xc3, 0xeb, 0xf4};

}  // namespace

int main(int argc, char** argv) {
  const int guests = argc > 1 ? std::atoi(argv[1]) : 10000;
  constexpr int kSteps = 3;
  try {
    const sudrun::Table table = sudrun::Table::builtin("freebsd-amd64");
    sudrun_guest_options options{};
    options.size = sizeof options;
    options.host_stack = 128 * 1024;
    std::deque<sudrun::Guest> all;
    std::deque<sudrun::Thread> threads;
    std::uint64_t code = 0;
    for (int i = 0; i < guests; ++i) {
      sudrun::Guest& guest = all.emplace_back(table, &options);
      if (code == 0) {  // one copy for all
        code = guest.map(4096, SUDRUN_READ | SUDRUN_WRITE);
        guest.write(code, kCode, sizeof kCode);
        guest.protect(code, 4096, SUDRUN_READ | SUDRUN_EXECUTE);
      }
      // Each stops in its handler, and its result is what it is given when it goes on.
      guest.instead(4, [](sudrun::Call call) {
        call.suspend();
        call.succeed(1);
      });
      sudrun::Thread& thread = threads.emplace_back(guest.make_thread(code, 4096));
      sudrun::Registers registers = thread.registers();
      registers.rbx = static_cast<std::uint64_t>(i);
      thread.set_registers(registers);
    }
    for (int step = 0; step <= kSteps; ++step)
      for (sudrun::Thread& thread : threads)
        if (thread.run().reason != SUDRUN_STOP_ASKED) throw std::runtime_error("a guest has ended");
    std::uint64_t sum = 0;
    for (sudrun::Thread& thread : threads) sum += thread.registers().rbx;
    const auto n = static_cast<std::uint64_t>(guests);
    std::printf("%d guests suspended; sum %llu, expected %llu\n", guests,
                static_cast<unsigned long long>(sum),
                static_cast<unsigned long long>(n * (n - 1) / 2 + n * kSteps));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "many: %s\n", error.what());
    return 1;
  }
}
