#include <algorithm>
#include <cstring>

#include "abi/problems.hpp"
#include "embed/guest.hpp"
#include "embed/status.hpp"
#include "runtime/version.hpp"

using sudrun::abi::TableError;
using sudrun::abi::TablePath;
using sudrun::embed::Failure;
using sudrun::embed::guarded;
using sudrun::embed::require;

namespace sudrun::embed {

sudrun_status tell(sudrun_error* error, sudrun_status status, const std::string& message) noexcept {
  if (error == nullptr) return status;
  error->status = status;
  const std::size_t length = std::min(message.size(), sizeof error->message - 1);
  std::memcpy(error->message, message.data(), length);
  error->message[length] = '\0';
  std::replace(error->message, error->message + length, '\n', ' ');
  return status;
}

namespace {

template <typename Load>
void make_table(sudrun_table** out, Load load) {
  require(out != nullptr, "`table` is null");
  *out = nullptr;
  auto data = std::make_shared<TableData>();
  try {
    data->loaded = load();
  } catch (const TableError& error) {
    throw Failure(SUDRUN_E_TABLE, error.problems().front().text());
  }
  for (const abi::Entry& entry : data->loaded.table.entries())
    data->names.emplace_back(data->loaded.table.string(entry.name));
  *out = new sudrun_table{std::move(data)};
}

}  // namespace
}  // namespace sudrun::embed

extern "C" {

const char* sudrun_version(void) { return sudrun::runtime::kVersion; }

sudrun_status sudrun_table_builtin(const char* abi, sudrun_table** table, sudrun_error* error) {
  return guarded(error, [&] {
    require(abi != nullptr, "`abi` is null");
    sudrun::embed::make_table(table, [&]() -> sudrun::abi::LoadedTable {
      if (const auto found = sudrun::abi::builtin_table(abi)) return {{}, *found};
      std::string known;
      for (const std::string_view name : sudrun::abi::builtin_abis())
        known += (known.empty() ? "" : ", ") + std::string(name);
      throw Failure(SUDRUN_E_TABLE, "no table `" + std::string(abi) + "` is built in; there are " + known);
    });
  });
}

sudrun_status sudrun_table_from_file(const char* path, sudrun_table** table, sudrun_error* error) {
  return guarded(error, [&] {
    require(path != nullptr, "`path` is null");
    sudrun::embed::make_table(table, [&] { return sudrun::abi::load_table_file(path, TablePath("")); });
  });
}

sudrun_status sudrun_table_from_text(const char* text, size_t size, const char* name, sudrun_table** table,
                                     sudrun_error* error) {
  return guarded(error, [&] {
    require(text != nullptr, "`text` is null");
    sudrun::embed::make_table(table, [&] {
      return sudrun::abi::load_table_text({text, size}, name != nullptr ? name : "(table)", TablePath(""));
    });
  });
}

void sudrun_table_free(sudrun_table* table) { delete table; }

int64_t sudrun_table_call_number(const sudrun_table* table, const char* name) {
  if (table == nullptr || name == nullptr) return -1;
  const sudrun::abi::Table& its = table->data->loaded.table;
  for (const sudrun::abi::Entry& entry : its.entries())
    if (its.string(entry.name) == name) return entry.number;
  return -1;
}

int sudrun_table_errno(const sudrun_table* table, const char* name) {
  constexpr int kMaxErrno = 4095;
  if (table == nullptr || name == nullptr) return 0;
  for (int number = 1; number <= kMaxErrno; ++number)
    if (table->data->loaded.table.errno_name(number) == name) return number;
  return 0;
}

}  // extern "C"
