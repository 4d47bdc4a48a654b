// An emulator of a small console whose operating system is a table (console.yaml) and the handlers here. Its
// calls are not like Unix's: arguments on the stack, the number in rbx, errors as -1 and a text.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <sudrun/sudrun.hpp>

namespace {

std::string contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(std::string(path) + ": cannot be read");
  return {std::istreambuf_iterator<char>(file), {}};
}

class Console {
 public:
  Console(const std::string& table_text, const std::string& cartridge)
      : table_(sudrun::Table::from_text(table_text, "console.yaml")), guest_(table_) {
    guest_.instead(table_.call_number("draw"), [this](sudrun::Call call) { draw(call); });
    guest_.instead(table_.call_number("score"), [this](sudrun::Call call) {
      score_ += static_cast<int>(call.argument(0));
      call.succeed(static_cast<std::uint64_t>(score_));
    });
    guest_.instead(table_.call_number("power_off"),
                   [](sudrun::Call call) { call.exit(static_cast<int>(call.argument(0))); });
    errors_ = guest_.map(4096, SUDRUN_READ | SUDRUN_WRITE);
    thread_.emplace(guest_.load_memory(cartridge.data(), cartridge.size(), "cartridge"));
  }

  int play() {
    const sudrun::Stop stop = thread_->run();
    if (stop.reason != SUDRUN_STOP_EXITED) throw std::runtime_error("the cartridge has crashed");
    return static_cast<int>(stop.value);
  }

 private:
  void draw(sudrun::Call& call) {
    const auto x = static_cast<int>(call.argument(0)), y = static_cast<int>(call.argument(1));
    const auto text = call.read_string(call.argument(2));
    if (!text) return fail(call, "no text");
    if (x < 0 || x >= 40 || y < 0 || y >= 25) return fail(call, "no such place");
    std::printf("[%d,%d] %s\n", x, y, text->c_str());
    call.succeed();
  }

  // The console's way to fail: the result is -1, and rdx has a text.
  void fail(sudrun::Call& call, const std::string& why) {
    call.write(errors_, why.c_str(), why.size() + 1);
    sudrun::Registers registers = call.thread().registers();
    registers.rdx = errors_;
    call.thread().set_registers(registers);
    call.succeed(static_cast<std::uint64_t>(-1));
  }

  sudrun::Table table_;
  sudrun::Guest guest_;
  std::optional<sudrun::Thread> thread_;
  std::uint64_t errors_ = 0;
  int score_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw std::runtime_error("usage: console TABLE CARTRIDGE");
    Console console(contents(argv[1]), contents(argv[2]));
    std::printf("score %d\n", console.play());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "console: %s\n", error.what());
    return 1;
  }
}
