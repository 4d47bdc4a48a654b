#include "runtime/exec_relay.hpp"

#include <algorithm>

#include "runtime/exec_relay.h"
#include "runtime/own_files.hpp"

namespace sudrun::runtime {
namespace {

constexpr std::string_view kVariable = SUDRUN_EXEC_RELAY "=";
constexpr std::string_view kPreload = "LD_PRELOAD=";
constexpr std::string_view kSeparators = " :";  // of LD_PRELOAD: ld.so(8)

std::string variable(const std::string& sudrun, const std::vector<std::string>& options,
                     std::span<const loader::AbiSignature> known) {
  std::string text(kVariable);
  text += sudrun;
  for (const loader::AbiSignature& signature : known) {
    if (signature.abi == loader::kNativeAbi) continue;
    if (signature.osabi > 0) text += "\tosabi:" + std::to_string(signature.osabi);
    for (const auto& [name, type] : signature.notes)
      if (type == 1) text += "\tnote:" + std::string(name);
    if (!signature.entry_code.empty()) text += "\tcode:" + std::string(signature.entry_code);
  }
  for (const std::string& option : options) text += "\t" + option;
  return text;
}

std::vector<std::string>::iterator find(std::vector<std::string>& environment, std::string_view name) {
  return std::find_if(environment.begin(), environment.end(),
                      [name](const std::string& entry) { return entry.starts_with(name); });
}

}  // namespace

void add_exec_relay(std::vector<std::string>& environment, const std::vector<std::string>& options,
                    std::span<const loader::AbiSignature> known) {
  const std::string sudrun = own_path(), library = own_file(sudrun, SUDRUN_EXEC_RELAY_LIBRARY);
  if (library.empty() || library.find_first_of(kSeparators) != std::string::npos) return;
  remove_exec_relay(environment);
  environment.push_back(variable(sudrun, options, known));
  if (const auto preload = find(environment, kPreload); preload != environment.end())
    preload->insert(kPreload.size(), library + ":");
  else
    environment.push_back(std::string(kPreload) + library);
}

void remove_exec_relay(std::vector<std::string>& environment) {
  const auto entry = find(environment, kVariable);
  if (entry == environment.end()) return;
  environment.erase(entry);
  const auto preload = find(environment, kPreload);
  if (preload == environment.end()) return;
  // Others may have put their own before ours.
  const std::string_view name = SUDRUN_EXEC_RELAY_LIBRARY;
  const std::size_t at = preload->find(name);
  if (at == std::string::npos) return;
  const std::size_t before = preload->find_last_of(kSeparators, at);
  const std::size_t begin = before == std::string::npos ? kPreload.size() : before;
  std::size_t end = at + name.size();
  if (begin == kPreload.size() && end < preload->size()) ++end;  // the separator after it
  preload->erase(begin, end - begin);
  if (preload->size() == kPreload.size()) environment.erase(preload);
}

}  // namespace sudrun::runtime
