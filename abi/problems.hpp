// What is wrong with table files: one after the other while they are read, all of them in one exception at
// the end.
#pragma once

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace sudrun::abi {

/// Position in a table file, from 1; 0: unknown.
struct Where {
  int line = 0;
  int column = 0;
};

/// Characters that no line of text has in it.
constexpr bool is_control(char c) noexcept { return (c >= 0 && c < ' ') || c == '\x7f'; }

struct Problem {
  std::string file;
  Where where;
  std::string message;  ///< what is wrong; what is expected, or what was probably meant

  /// `FILE:LINE:COLUMN: message`: one line that a terminal shows as it is, however odd the words it quotes.
  std::string text() const {
    constexpr std::size_t kLongest = 600;
    const std::string place =
        where.line == 0 ? "" : ":" + std::to_string(where.line) + ":" + std::to_string(where.column);
    std::string line = file + place + ": ";
    line += message.size() > kLongest ? message.substr(0, kLongest) + "..." : message;
    std::replace_if(line.begin(), line.end(), is_control, '?');
    return line;
  }
};

/// What is wrong with a table, one thing or several. what() has a line for each.
class TableError : public std::runtime_error {
 public:
  TableError(const std::string& file, Where where, const std::string& message)
      : TableError(std::vector<Problem>{{file, where, message}}) {}
  /// `problems`: one at least.
  explicit TableError(std::vector<Problem> problems)
      : std::runtime_error(text(problems)), problems_(std::move(problems)) {}

  const std::vector<Problem>& problems() const noexcept { return problems_; }
  /// Of the first.
  const std::string& file() const noexcept { return problems_.front().file; }
  int line() const noexcept { return problems_.front().where.line; }
  int column() const noexcept { return problems_.front().where.column; }

 private:
  static std::string text(const std::vector<Problem>& problems) {
    std::string lines;
    for (const Problem& problem : problems) lines += (lines.empty() ? "" : "\n") + problem.text();
    return lines;
  }
  std::vector<Problem> problems_;
};

/// Thrown where reading cannot go on because of something that is among the problems already.
struct ToldAlready {};

class Problems {
 public:
  void add(Problem problem) { all_.push_back(std::move(problem)); }
  bool none() const noexcept { return all_.empty(); }
  std::size_t count() const noexcept { return all_.size(); }

  /// Calls `step`; what is wrong there is kept, and the caller goes on. False if something was.
  template <typename Step>
  bool attempt(Step&& step) {
    const std::size_t before = all_.size();
    try {
      step();
    } catch (const TableError& error) {
      all_.insert(all_.end(), error.problems().begin(), error.problems().end());
    } catch (const ToldAlready&) {
    }
    return all_.size() == before;
  }

  /// Throws them, in the order of the files' lines, if there are any.
  void throw_if_any() {
    if (none()) return;
    std::stable_sort(all_.begin(), all_.end(), [](const Problem& a, const Problem& b) {
      return std::tie(a.file, a.where.line, a.where.column) < std::tie(b.file, b.where.line, b.where.column);
    });
    throw TableError(std::move(all_));
  }

 private:
  std::vector<Problem> all_;
};

/// Names of anything that has one, as did_you_mean() takes them.
template <typename Rows>
std::vector<std::string_view> names_of(const Rows& rows) {
  std::vector<std::string_view> names;
  names.reserve(std::size(rows));
  for (const auto& row : rows) names.emplace_back(row.name);
  return names;
}

}  // namespace sudrun::abi
