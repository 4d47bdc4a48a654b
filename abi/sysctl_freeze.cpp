#include "abi/sysctl_freeze.hpp"

#include <algorithm>

#include "abi/personality.hpp"
#include "abi/spelling.hpp"
#include "abi/yaml_view.hpp"

namespace sudrun::abi {

namespace {

SysctlValue freeze_one(const TableModel& table, const SysctlModel& row, const std::vector<NodeForm>& nodes,
                       BlockWriter& block) {
  const auto fail = [&](const std::string& message) { throw TableError(table.file, row.where, message); };
  const auto node = std::find_if(nodes.begin(), nodes.end(),
                                 [&](const NodeForm& candidate) { return candidate.name == row.name; });
  if (node == nodes.end())
    fail("`" + row.name + "` is not a sysctl node" +
         did_you_mean(row.name, names_of(nodes), "one that `" + table.personality + "` has"));
  if (node->kind == NodeForm::Kind::other)
    fail("`" + row.name + "` holds neither a number nor a text; expected a node that does");

  SysctlValue value{};
  value.name = block.string(row.name);
  if (node->kind == NodeForm::Kind::text) {
    value.is_text = 1;
    value.text = block.string(row.value);
    return value;
  }
  const auto number = row.quoted ? std::nullopt : parse_integer(row.value);
  if (!number) fail("`" + row.name + "` holds a number and not `" + row.value + "`; expected a number");
  const unsigned bits = node->kind == NodeForm::Kind::number32 ? 32 : 64;
  // As signed or as unsigned, whichever the node is.
  const std::uint64_t most =
      number->negative ? std::uint64_t{1} << (bits - 1) : ~std::uint64_t{0} >> (64 - bits);
  if (number->magnitude > most)
    fail("`" + row.name + "` holds " + std::to_string(bits) + " bits and `" + row.value +
         "` takes more; expected a number that fits");
  value.number = static_cast<std::int64_t>(number->negative ? 0 - number->magnitude : number->magnitude);
  return value;
}

}  // namespace

std::vector<SysctlValue> freeze_sysctls(const TableModel& table, BlockWriter& block, Problems& problems) {
  std::vector<SysctlValue> values;
  if (table.sysctls.empty()) return values;
  const auto personality = make_personality(table.personality);
  const auto nodes = personality ? personality->nodes() : std::vector<NodeForm>();
  for (const SysctlModel& row : table.sysctls)
    problems.attempt([&] { values.push_back(freeze_one(table, row, nodes, block)); });
  return values;
}

}  // namespace sudrun::abi
