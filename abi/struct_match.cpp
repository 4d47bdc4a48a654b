#include "abi/struct_match.hpp"

#include <algorithm>

#include "abi/spelling.hpp"

namespace sudrun::abi {

namespace {

/// A field of a flattened structure, with the name its native counterpart has (empty: none).
struct Leaf {
  std::string name;
  std::string native_name;
  FlatField field;
  Where where;
};

/// What joins this table's prefix and a field's name; none if either has no native form.
std::string native_path(const std::string& prefix, bool has_native, const FieldModel& field) {
  if (!has_native || field.native.kind == NativeName::Kind::none) return {};
  return prefix + (field.native.kind == NativeName::Kind::other ? field.native.name : field.name);
}

struct Prefix {
  std::string name;
  std::string native;
  bool has_native = true;
  unsigned offset = 0;
};

void flatten(const TableModel& table, const StructModel& structure, const Prefix& prefix,
             std::vector<Leaf>& leaves) {
  for (const FieldModel& field : structure.fields) {
    const std::string native = native_path(prefix.native, prefix.has_native, field);
    const std::string name = prefix.name + field.name;
    const unsigned offset = prefix.offset + field.offset;
    if (field.struct_type.empty()) {
      leaves.push_back({name,
                        native,
                        {offset, field.type, field.count, field.flags, field.role, prefix.name},
                        field.where});
      continue;
    }
    flatten(table, *find_row(table.structs, field.struct_type),
            {name + ".", native + ".", !native.empty(), offset}, leaves);
  }
}

bool is_translated(const TableModel& guest, const TableModel& native, const std::string& flags) {
  if (flags.empty() || guest.abi == native.abi) return false;
  const FlagSetModel* const set = find_row(guest.flags, flags);
  return set != nullptr && !set->trace_only;
}

bool same_bytes(const FlatField& guest, const FlatField& native) {
  return guest.offset == native.offset && guest.count == native.count &&
         scalar_size(guest.type) == scalar_size(native.type);
}

/// True if nothing is lost or invented by passing one for the other.
bool is_identical(const TableModel& guest, const TableModel& native, const MatchedStruct& matched,
                  const std::vector<Leaf>& native_leaves) {
  if (matched.guest_size != matched.native_size) return false;
  const auto is_data = [](const FlatField& field) { return field.type != ScalarType::pad; };
  std::size_t common = 0;
  for (const MatchedField& field : matched.fields) {
    if (!is_data(field.guest)) continue;
    if (!field.native || !same_bytes(field.guest, *field.native)) return false;
    if (is_translated(guest, native, field.guest.flags)) return false;
    ++common;
  }
  return common ==
         static_cast<std::size_t>(std::count_if(native_leaves.begin(), native_leaves.end(),
                                                [&](const Leaf& leaf) { return is_data(leaf.field); }));
}

[[noreturn]] void fail(const TableModel& table, Where where, const std::string& message) {
  throw TableError(table.file, where.line == 0 ? table.personality_where : where, message);
}

/// The counterpart of `leaf`, if it is to have one.
std::optional<FlatField> counterpart(const TableModel& guest, const StructModel& structure, const Leaf& leaf,
                                     const std::string& native_struct,
                                     const std::vector<Leaf>& native_leaves) {
  if (leaf.native_name.empty() || leaf.field.type == ScalarType::pad) return std::nullopt;
  const auto found = std::find_if(native_leaves.begin(), native_leaves.end(),
                                  [&](const Leaf& native) { return native.name == leaf.native_name; });
  if (found == native_leaves.end()) {
    fail(guest, leaf.where,
         "`" + leaf.native_name + "` is not a field of the native `" + native_struct + "`" +
             did_you_mean(leaf.native_name, names_of(native_leaves),
                          "`native:` with one that is, or `native: none`"));
  }
  const bool is_text = leaf.field.type == ScalarType::chars;
  if (is_text != (found->field.type == ScalarType::chars) || found->field.type == ScalarType::pad) {
    fail(guest, leaf.where,
         "`" + leaf.name + "` of `" + structure.name +
             "` is text on one side only; expected char[N] or a number on both");
  }
  return found->field;
}

}  // namespace

std::vector<MatchedStruct> match_structs(const TableModel& guest, const TableModel& native,
                                         Problems& problems) {
  std::vector<MatchedStruct> result;
  for (const StructModel& structure : guest.structs) {
    std::vector<Leaf> leaves, native_leaves;
    flatten(guest, structure, {}, leaves);
    MatchedStruct matched;
    matched.name = structure.name;
    matched.guest_size = structure.size;

    bool converts = structure.native.kind != NativeName::Kind::none;
    const std::string& native_name =
        structure.native.kind == NativeName::Kind::other ? structure.native.name : structure.name;
    if (converts) {
      converts = problems.attempt([&] {
        const StructModel* const native_struct = find_row(native.structs, native_name);
        if (native_struct == nullptr) {
          fail(guest, structure.where,
               "the native table has no structure `" + native_name + "`" +
                   did_you_mean(native_name, names_of(native.structs),
                                "`native:` with one it has, or `native: none`"));
        }
        matched.native_name = native_name;
        matched.native_size = native_struct->size;
        flatten(native, *native_struct, {}, native_leaves);
      });
    }
    for (const Leaf& leaf : leaves) {
      MatchedField field{leaf.name, leaf.field, std::nullopt};
      if (converts) {
        problems.attempt(
            [&] { field.native = counterpart(guest, structure, leaf, native_name, native_leaves); });
      }
      matched.fields.push_back(std::move(field));
    }
    matched.identical = converts && is_identical(guest, native, matched, native_leaves);
    result.push_back(std::move(matched));
  }
  return result;
}

}  // namespace sudrun::abi
