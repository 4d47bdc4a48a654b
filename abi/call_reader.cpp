#include "abi/call_reader.hpp"

#include <algorithm>

#include "abi/role_text.hpp"
#include "abi/spelling.hpp"

namespace sudrun::abi {

namespace {

constexpr std::size_t kMaxNativeArgs = 6;
constexpr std::uint64_t kMaxLiteralCount = 127;

/// True for roles whose value, or the value they point to, can be a count.
bool counts(const RoleModel& role) {
  switch (role.kind) {
    case RoleKind::int_:
    case RoleKind::uint_:
    case RoleKind::long_:
    case RoleKind::ulong_:
    case RoleKind::size:
    case RoleKind::ssize:
    case RoleKind::off:
    case RoleKind::hex:
      return true;
    case RoleKind::in_struct:
    case RoleKind::out_struct:
    case RoleKind::inout_struct:
      return scalar_type_of(role.type).has_value();
    default:
      return false;
  }
}

void check_counts(const std::vector<ArgModel>& args, const TableModel& table) {
  for (const ArgModel& arg : args) {
    if (!has_count(arg.role.kind)) continue;
    const std::string& count = arg.role.count;
    const auto fail = [&](const std::string& message) {
      throw TableError(table.file, arg.role.where, message);
    };
    if (const auto literal = parse_integer(count)) {
      if (literal->negative || literal->magnitude > kMaxLiteralCount)
        fail("`" + count + "` cannot be a count; expected an argument or 0 to 127");
      continue;
    }
    const ArgModel* const counter = find_row(args, count);
    if (counter == nullptr)
      fail("`" + arg.name + "` is counted by `" + count + "`, which is not an argument of the call" +
           did_you_mean(count, names_of(args), "one that is"));
    if (!counts(counter->role))
      fail("`" + arg.name + "` is counted by `" + count +
           "`, which is not a number; expected a number, or a pointer to one");
  }
}

ArgModel read_arg(const YamlMap::Item& item, const TableModel& table) {
  // An unquoted role with a comma falls apart into two keys.
  if (!is_identifier(item.key.name())) {
    item.key.fail("`" + item.key.name() +
                  "` is not an argument's name; expected letters, digits and underscores "
                  "(a role with a `,` or a `?` stands in quotes)");
  }
  ArgModel arg{item.key.name(), read_role(item.value, table), item.key.where()};
  if (arg.role.kind == RoleKind::none)
    item.value.fail("`none` is not a role of arguments; expected `returns: none`");
  if (arg.role.kind == RoleKind::length || arg.role.kind == RoleKind::signal_set)
    item.value.fail("`" + item.value.text() + "` is not a role of arguments; expected it in fields only");
  return arg;
}

std::vector<ArgModel> read_args(const YamlValue& value, const TableModel& table) {
  std::vector<ArgModel> args;
  bool good = true;
  for (const YamlMap::Item& item : value.map().items()) {
    if (args.size() == kMaxArgs) item.key.fail("more than 8 arguments; expected at most 8");
    good = item.key.attempt([&] { args.push_back(read_arg(item, table)); }) && good;
  }
  if (!good) throw ToldAlready();
  check_counts(args, table);
  return args;
}

RoleModel read_returns(const YamlValue& value, const TableModel& table) {
  RoleModel role = read_role(value, table);
  const bool scalar = !is_pointer_role(role.kind) || role.kind == RoleKind::ptr;
  if (!scalar || role.nullable)
    value.fail("`" + value.text() + "` cannot be returned; expected a scalar role, a flag set or `none`");
  return role;
}

std::vector<NativeArg> read_native_args(const YamlValue& value, const std::vector<ArgModel>& args) {
  std::vector<NativeArg> native_args;
  for (const YamlValue& item : value.list()) {
    const std::string text = item.text();
    if (parse_integer(text)) {
      native_args.emplace_back(item.word());
      continue;
    }
    if (!has_name(args, text))
      item.fail("`" + text + "` is not an argument of the call" +
                did_you_mean(text, names_of(args), "an argument's name or an integer"));
    native_args.emplace_back(text);
  }
  return native_args;
}

std::vector<std::string> read_operations(const YamlValue& value) {
  std::vector<std::string> names;
  for (const YamlValue& item : value.list()) names.push_back(item.identifier());
  return names;
}

FutexModel read_futex(const YamlValue& value, const TableModel& table) {
  using Kind = FutexModel::Kind;
  const YamlMap map = value.map();
  FutexModel futex;
  futex.where = value.where();
  futex.kind = static_cast<Kind>(map.kind());
  for (const std::string_view key : futex.arg_keys()) futex.args.push_back(map.require(key).identifier());
  const auto error = [&](std::string_view key) {
    const YamlValue* const name = map.find(key);
    if (name == nullptr) return std::string();
    std::string text = name->identifier();
    if (!has_name(table.errnos, text))
      name->fail("`" + text + "` is not in `errno`" +
                 did_you_mean(text, names_of(table.errnos), "an error of this table"));
    return text;
  };
  if (futex.kind == Kind::operations) {
    futex.wait = read_operations(map.require("wait"));
    futex.wake = read_operations(map.require("wake"));
  }
  if (futex.kind == Kind::sleep) futex.longest = static_cast<std::uint32_t>(map.require("longest").integer());
  futex.differs = error("differs");
  futex.late = error("late");
  futex.fault = error("fault");
  return futex;
}

/// Sets action and target; exactly one action, or none.
void read_action(const YamlMap& row, CallModel& call, const TableModel& table) {
  struct Choice {
    const char* key;
    Action action;
  };
  constexpr Choice kChoices[] = {
      {"native", Action::native}, {"handler", Action::handler}, {"error", Action::error}};
  bool acts = false;
  for (const Choice& choice : kChoices) {
    const YamlValue* const target = row.find(choice.key);
    if (target == nullptr) continue;
    // What the extended table had it do is past.
    if (!acts) call.action = Action::unsupported, call.native_args.reset(), call.futex.reset();
    acts = true;
    if (call.action != Action::unsupported)
      target->fail("`" + call.name + "` has more than one action; expected one of native, handler, error");
    call.action = choice.action;
    call.target = target->identifier();
    call.target_where = target->where();
    if (choice.action == Action::error && !has_name(table.errnos, call.target))
      target->fail("`" + call.target + "` is not in `errno`" +
                   did_you_mean(call.target, names_of(table.errnos), "an error of this table"));
  }
}

}  // namespace

RoleModel read_role(const YamlValue& value, const TableModel& table) {
  if (!value.is_scalar() || value.text().empty())
    value.fail("`" + value.name() +
               "` has no role; expected one, in quotes inside `{…}` if it has a `,` or a `?`");
  RoleText text = parse_role(value.text());
  if (!text.error.empty()) value.fail(text.error);
  RoleModel& role = text.role;
  role.where = value.where();
  if (role.kind == RoleKind::flags && !has_name(table.flags, role.type)) {
    auto names = role_names(false);
    for (const FlagSetModel& set : table.flags) names.emplace_back(set.name);
    value.fail("`" + role.type + "` is not a role" +
               did_you_mean(role.type, names, "a role of docs/table-format.md or a flag set of this table"));
  }
  if (!has_type(role.kind)) return role;

  const auto scalar = scalar_type_of(role.type);
  const bool is_integer = scalar && scalar_size(*scalar) != 0 && *scalar < ScalarType::chars;
  const bool is_records = role.kind == RoleKind::in_records || role.kind == RoleKind::out_records;
  if ((!is_integer || is_records) && !has_name(table.structs, role.type))
    value.fail("`" + role.type + "` is not a type" +
               did_you_mean(role.type, names_of(table.structs), "i8…u64 or a structure of this table"));
  return role;
}

namespace {

void read_support(const YamlMap& row, CallModel& call) {
  const bool acts = row.find("native") || row.find("handler") || row.find("error");
  const YamlValue* const support = row.find("support");
  if (support == nullptr) {
    if (acts && call.support == Support::none) row.require("support");
    return;
  }
  call.support = static_cast<Support>(support->choice());
  if (call.support == Support::none && !acts) call.action = Action::unsupported;
  if (call.support != Support::none && call.action == Action::unsupported)
    support->fail("`" + call.name + "` has no action; expected native, handler or error, or `support: none`");
}

/// What must hold of a row as a whole.
void check_row(const YamlValue& at, const CallModel& call, const TableModel& table) {
  if (call.support != Support::full && call.note.empty())
    at.fail("`" + call.name + "` has no `note`; expected one below full support");
  for (const NativeArg& arg : call.native_args.value_or(std::vector<NativeArg>())) {
    const auto* const name = std::get_if<std::string>(&arg);
    if (name != nullptr && !has_name(call.args, *name))
      at.fail("`" + call.name + "` passes `" + *name +
              "` on and has no such argument now; expected `native_args`");
  }
  if (call.action == Action::native) {
    const std::size_t count = call.native_args ? call.native_args->size() : call.args.size();
    if (count > kMaxNativeArgs)
      at.fail("`" + call.name + "` has " + std::to_string(count) + " native arguments; expected at most 6");
  }
  const std::size_t in_registers = table.convention.argc;
  if (in_registers != 0 && call.args.size() > in_registers && table.convention.stack_args == 0) {
    at.fail("`" + call.name + "` has " + std::to_string(call.args.size()) +
            " arguments and the convention has " + std::to_string(in_registers) +
            " registers and no `stack_args`; expected fewer arguments");
  }
}

}  // namespace

CallModel read_call(const YamlMap::Item& item, unsigned number, const CallModel* base,
                    const TableModel& table) {
  const YamlMap row = item.value.map(base != nullptr);
  CallModel call = base != nullptr ? *base : CallModel{};
  call.where = call.target_where = item.key.where();
  call.number = number;
  if (base == nullptr) call.returns.kind = RoleKind::int_;
  bool good = true;
  const auto step = [&](std::string_view key, auto&& read) {
    if (const YamlValue* const value = row.find(key)) good = value->attempt([&] { read(*value); }) && good;
  };
  step("name", [&](const YamlValue& value) { call.name = value.identifier(); });
  step("args", [&](const YamlValue& value) { call.args = read_args(value, table); });
  const bool args_known = good;
  step("returns", [&](const YamlValue& value) { call.returns = read_returns(value, table); });
  good = item.key.attempt([&] { read_action(row, call, table); }) && good;
  step("native_args", [&](const YamlValue& value) {
    if (call.action != Action::native) value.fail("`native_args` without `native`; expected both");
    if (args_known) call.native_args = read_native_args(value, call.args);
  });
  step("futex", [&](const YamlValue& value) {
    if (call.action != Action::handler) value.fail("`futex` without `handler`; expected both");
    call.futex = read_futex(value, table);
  });
  step("note", [&](const YamlValue& value) { call.note = value.text(); });
  step("interrupt", [&](const YamlValue& value) { call.interrupt_fails = value.choice() == 1; });
  // What is misspelt may be what seems to be missing.
  if (row.told().unknown || !row.told().missing.empty()) throw ToldAlready();
  good = item.key.attempt([&] { read_support(row, call); }) && good;
  if (!good) throw ToldAlready();
  check_row(item.key, call, table);
  return call;
}

}  // namespace sudrun::abi
