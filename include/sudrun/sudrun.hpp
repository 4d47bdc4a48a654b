// libsudrun for C++17 and later: the objects of sudrun.h as classes, errors as exceptions, handlers as
// functions. It is this header only; what is linked is the C interface. docs/embedding.md shows how.
//
// An exception that leaves a handler ends the guest and comes out of Thread::run(). A handler must not stop
// the thread (Call::suspend, Thread::call) inside a catch block.
#ifndef SUDRUN_SUDRUN_HPP
#define SUDRUN_SUDRUN_HPP

#include <sudrun/sudrun.h>

#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sudrun {

/// What a function of the library has to say.
class Error : public std::runtime_error {
 public:
  Error(sudrun_status status, const char* message) : std::runtime_error(message), status_(status) {}
  sudrun_status status() const noexcept { return status_; }

 private:
  sudrun_status status_;
};

namespace detail {
template <typename Function, typename... Arguments>
void call(Function function, Arguments... arguments) {
  sudrun_error error{};
  if (function(arguments..., &error) != SUDRUN_OK) throw Error(error.status, error.message);
}
inline void require(sudrun_status status, const char* message) {
  if (status != SUDRUN_OK) throw Error(status, message);
}
}  // namespace detail

using Registers = sudrun_registers;
using Stop = sudrun_stop;

/// What calls are. Guests keep what they need of it.
class Table {
 public:
  static Table builtin(const std::string& abi) {
    Table made;
    sudrun_table* table = nullptr;
    detail::call(sudrun_table_builtin, abi.c_str(), &table);
    made.table_.reset(table);
    return made;
  }
  static Table from_file(const std::string& path) {
    Table made;
    sudrun_table* table = nullptr;
    detail::call(sudrun_table_from_file, path.c_str(), &table);
    made.table_.reset(table);
    return made;
  }
  static Table from_text(std::string_view text, const std::string& name = "table") {
    Table made;
    sudrun_table* table = nullptr;
    detail::call(sudrun_table_from_text, text.data(), text.size(), name.c_str(), &table);
    made.table_.reset(table);
    return made;
  }
  /// Number of a call by its name; throws if there is none.
  std::int64_t call_number(const std::string& name) const {
    const std::int64_t number = sudrun_table_call_number(get(), name.c_str());
    if (number < 0) throw Error(SUDRUN_E_ARGUMENT, ("the table has no call `" + name + "`").c_str());
    return number;
  }
  /// The table's number of an error; throws if there is none.
  int error_number(const std::string& name) const {
    const int number = sudrun_table_errno(get(), name.c_str());
    if (number == 0) throw Error(SUDRUN_E_ARGUMENT, ("the table has no error `" + name + "`").c_str());
    return number;
  }
  sudrun_table* get() const noexcept { return table_.get(); }

 private:
  struct Free {
    void operator()(sudrun_table* table) const noexcept { sudrun_table_free(table); }
  };
  Table() = default;
  std::unique_ptr<sudrun_table, Free> table_;
};

class Thread;

/// A call, in a handler of it. See sudrun_call_… in sudrun.h.
class Call {
 public:
  explicit Call(sudrun_call* call) noexcept : call_(call) {}
  std::int64_t number() const { return sudrun_call_number(call_); }
  /// Empty where the table has no name for it.
  std::string_view name() const {
    const char* name = sudrun_call_name(call_);
    return name != nullptr ? name : "";
  }
  std::uint64_t argument(unsigned index) const { return sudrun_call_argument(call_, index); }
  void set_argument(unsigned index, std::uint64_t value) { sudrun_call_set_argument(call_, index, value); }
  /// False: bad memory.
  bool read(std::uint64_t address, void* to, std::size_t size) {
    return sudrun_call_read(call_, address, to, size) == SUDRUN_OK;
  }
  bool write(std::uint64_t address, const void* from, std::size_t size) {
    return sudrun_call_write(call_, address, from, size) == SUDRUN_OK;
  }
  /// Nothing: bad memory, or longer than `most` with its NUL.
  std::optional<std::string> read_string(std::uint64_t address, std::size_t most = 4096) {
    std::string text(most, '\0');
    if (sudrun_call_read_string(call_, address, text.data(), text.size()) != SUDRUN_OK) return std::nullopt;
    text.resize(std::strlen(text.c_str()));
    return text;
  }
  void succeed(std::uint64_t value = 0) { sudrun_call_return(call_, value); }
  void fail(int number) { sudrun_call_fail(call_, number); }
  void fail_as_host(int number) { sudrun_call_fail_as_host(call_, number); }
  void keep_registers() { sudrun_call_keep_registers(call_); }
  void proceed() { sudrun_call_proceed(call_); }
  bool has_result() const { return sudrun_call_has_result(call_) != 0; }
  bool succeeded() const { return sudrun_call_succeeded(call_) != 0; }
  std::uint64_t result() const { return sudrun_call_result(call_); }
  void suspend() { sudrun_call_suspend(call_); }
  [[noreturn]] void exit(int status) { sudrun_call_exit(call_, status); }
  Thread thread() const;
  sudrun_call* get() const noexcept { return call_; }

 private:
  sudrun_call* call_;
};

using Handler = std::function<void(Call)>;
using Function = std::function<std::uint64_t(Thread, const std::uint64_t* arguments)>;

/// A flow of foreign code. A reference: the guest owns it.
class Thread {
 public:
  explicit Thread(sudrun_thread* thread) noexcept : thread_(thread) {}
  inline Stop run(unsigned flags = 0);
  inline Stop run_for(std::chrono::nanoseconds time, unsigned flags = 0);
  Stop run_to_call() { return run(SUDRUN_TO_CALL); }
  void suspend() noexcept { sudrun_thread_suspend(thread_); }
  /// Throws Error with SUDRUN_E_STATE if the thread stops before the function returns.
  inline std::uint64_t call(std::uint64_t function, std::initializer_list<std::uint64_t> arguments = {});
  Registers registers() const {
    Registers registers{};
    detail::require(sudrun_thread_registers(thread_, &registers), "the thread is running");
    return registers;
  }
  void set_registers(const Registers& registers) {
    detail::require(sudrun_thread_set_registers(thread_, &registers), "the thread is running");
  }
  /// After SUDRUN_STOP_CALL.
  Call current_call() const {
    sudrun_call* call = sudrun_thread_current_call(thread_);
    if (call == nullptr) throw Error(SUDRUN_E_STATE, "the thread stands before no call");
    return Call(call);
  }
  void free() { detail::require(sudrun_thread_free(thread_), "the thread is running"); }
  sudrun_thread* get() const noexcept { return thread_; }

 private:
  inline Stop run_until(unsigned flags, std::uint64_t nanoseconds);
  sudrun_thread* thread_;
};

inline Thread Call::thread() const { return Thread(sudrun_call_thread(call_)); }

namespace detail {
/// The first exception that has left a handler of each guest, on whichever host thread, until one is told.
class Failures {
 public:
  static Failures& all() {
    static Failures them;
    return them;
  }
  /// In a catch block.
  void keep(sudrun_guest* guest) {
    const std::scoped_lock hold(lock_);
    kept_.try_emplace(guest, std::current_exception());
  }
  std::exception_ptr take(sudrun_guest* guest) {
    const std::scoped_lock hold(lock_);
    const auto found = kept_.find(guest);
    if (found == kept_.end()) return nullptr;
    const std::exception_ptr kept = found->second;
    kept_.erase(found);
    return kept;
  }

 private:
  std::mutex lock_;
  std::map<sudrun_guest*, std::exception_ptr> kept_;
};
inline void rethrow(sudrun_guest* guest) {
  if (const std::exception_ptr kept = Failures::all().take(guest)) std::rethrow_exception(kept);
}
}  // namespace detail

/// A program, or code, with its memory and threads.
class Guest {
 public:
  explicit Guest(const Table& table, const sudrun_guest_options* options = nullptr) {
    sudrun_guest* guest = nullptr;
    detail::call(sudrun_guest_new, static_cast<const sudrun_table*>(table.get()), options, &guest);
    guest_.reset(guest);
  }
  Thread load_file(const std::string& path, const std::vector<std::string>& argv = {},
                   const std::vector<std::string>& envp = {}) {
    sudrun_thread* thread = nullptr;
    detail::call(sudrun_guest_load_file, get(), path.c_str(), pointers(argv).data(), pointers(envp).data(),
                 &thread);
    return Thread(thread);
  }
  Thread load_memory(const void* bytes, std::size_t size, const std::string& name,
                     const std::vector<std::string>& argv = {}, const std::vector<std::string>& envp = {}) {
    sudrun_thread* thread = nullptr;
    detail::call(sudrun_guest_load_memory, get(), bytes, size, name.c_str(), pointers(argv).data(),
                 pointers(envp).data(), &thread);
    return Thread(thread);
  }
  Thread make_thread(std::uint64_t entry, std::size_t stack_size = 0) {
    sudrun_thread* thread = nullptr;
    detail::call(sudrun_thread_new, get(), entry, stack_size, &thread);
    return Thread(thread);
  }
  /// `address` 0: where there is room. Returns where.
  std::uint64_t map(std::size_t size, unsigned protection, std::uint64_t address = 0) {
    detail::call(sudrun_guest_map, get(), size, protection, &address);
    return address;
  }
  void protect(std::uint64_t address, std::size_t size, unsigned protection) {
    detail::call(sudrun_guest_protect, get(), address, size, protection);
  }
  bool read(std::uint64_t address, void* to, std::size_t size) {
    return sudrun_guest_read(get(), address, to, size) == SUDRUN_OK;
  }
  bool write(std::uint64_t address, const void* from, std::size_t size) {
    return sudrun_guest_write(get(), address, from, size) == SUDRUN_OK;
  }
  void add_file(const std::string& path, std::string_view bytes) {
    detail::call(sudrun_guest_add_file, get(), path.c_str(), bytes.data(), bytes.size());
  }
  void on_call(std::int64_t number, sudrun_when when, Handler handler) {
    handlers_.push_back(std::move(handler));
    detail::call(sudrun_guest_on_call, get(), number, when, &Guest::handle,
                 static_cast<void*>(&handlers_.back()));
  }
  void before(std::int64_t number, Handler handler) { on_call(number, SUDRUN_BEFORE, std::move(handler)); }
  void instead(std::int64_t number, Handler handler) { on_call(number, SUDRUN_INSTEAD, std::move(handler)); }
  void after(std::int64_t number, Handler handler) { on_call(number, SUDRUN_AFTER, std::move(handler)); }
  /// The address at which foreign code calls `function`.
  std::uint64_t add_function(Function function) {
    functions_.push_back(std::move(function));
    std::uint64_t address = 0;
    detail::call(sudrun_guest_add_function, get(), &Guest::serve, static_cast<void*>(&functions_.back()),
                 &address);
    return address;
  }
  sudrun_guest* get() const noexcept { return guest_.get(); }

 private:
  static std::vector<const char*> pointers(const std::vector<std::string>& strings) {
    std::vector<const char*> all;
    for (const std::string& text : strings) all.push_back(text.c_str());
    all.push_back(nullptr);
    return all;
  }
  static void handle(sudrun_call* call, void* user) {
    try {
      return (*static_cast<Handler*>(user))(Call(call));
    } catch (...) {
      detail::Failures::all().keep(sudrun_call_guest(call));
    }
    sudrun_call_exit(call, 255);
  }
  static std::uint64_t serve(sudrun_thread* thread, const std::uint64_t* arguments, void* user) {
    try {
      return (*static_cast<Function*>(user))(Thread(thread), arguments);
    } catch (...) {
      detail::Failures::all().keep(sudrun_thread_guest(thread));
    }
    sudrun_thread_exit(thread, 255);
  }
  struct Free {
    void operator()(sudrun_guest* guest) const noexcept {
      static_cast<void>(sudrun_guest_free(guest));
      detail::Failures::all().take(guest);
    }
  };

  std::deque<Handler> handlers_;
  std::deque<Function> functions_;
  std::unique_ptr<sudrun_guest, Free> guest_;
};

inline Stop Thread::run_until(unsigned flags, std::uint64_t nanoseconds) {
  Stop stop{};
  detail::call(sudrun_thread_run, thread_, flags, nanoseconds, &stop);
  detail::rethrow(sudrun_thread_guest(thread_));
  return stop;
}
inline Stop Thread::run(unsigned flags) { return run_until(flags, SUDRUN_FOREVER); }
inline Stop Thread::run_for(std::chrono::nanoseconds time, unsigned flags) {
  return run_until(flags, time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count()));
}
inline std::uint64_t Thread::call(std::uint64_t function, std::initializer_list<std::uint64_t> arguments) {
  std::uint64_t result = 0;
  Stop stop{};
  sudrun_error error{};
  const sudrun_status status = sudrun_thread_call(
      thread_, function, arguments.begin(), static_cast<unsigned>(arguments.size()), &result, &stop, &error);
  detail::rethrow(sudrun_thread_guest(thread_));
  if (status != SUDRUN_OK) throw Error(error.status, error.message);
  return result;
}

}  // namespace sudrun
#endif
