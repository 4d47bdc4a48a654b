#include "loader/file_source.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>

using sudrun::loader::FileSource;

TEST_CASE("a file is read at any offset without moving the descriptor, and never beyond its end") {
  const int fd = memfd_create("bytes", 0);
  REQUIRE(fd >= 0);
  REQUIRE(write(fd, "0123456789", 10) == 10);
  const FileSource source(fd);
  CHECK(source.size() == 10);
  std::array<std::byte, 4> bytes{};
  CHECK(source.read_at(6, bytes));
  CHECK(bytes[0] == std::byte{'6'});
  CHECK(bytes[3] == std::byte{'9'});
  CHECK_FALSE(source.read_at(7, bytes));
  CHECK_FALSE(source.read_at(~0ULL, bytes));
  CHECK(source.read_at(10, {}));
  CHECK(lseek(fd, 0, SEEK_CUR) == 10);
  REQUIRE(ftruncate(fd, 8) == 0);
  CHECK_FALSE(source.read_at(6, bytes));
  close(fd);
}

TEST_CASE("what is not a regular file has no bytes") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  CHECK(FileSource(ends[0]).size() == 0);
  CHECK(FileSource(-1).size() == 0);
  close(ends[0]);
  close(ends[1]);
}
