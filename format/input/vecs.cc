// Readers of .fvecs and .bvecs files, and of the .fbin family.

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "format/input/formats.h"

namespace cassata {
namespace {

constexpr std::size_t kPrefixBytes = sizeof(std::int32_t);
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

[[noreturn]] void refuse_dim(const FileReader& file, std::uint64_t row, std::int32_t found, std::uint64_t expected) {
  file.refuse("row " + std::to_string(row) + ": dim " + std::to_string(found) + ", expected " +
              std::to_string(expected) + " as in row 0");
}

/// Throws the error for a file of wrong length. It names the first row of another dim, or the truncated last row.
[[noreturn]] void refuse_length(const FileReader& file, std::uint64_t dim, std::uint64_t stride) {
  std::uint64_t row = 0;
  for (; (row + 1) * stride <= file.bytes() - kPrefixBytes; ++row)
    if (const auto found = file.read<std::int32_t>((row + 1) * stride); found != static_cast<std::int64_t>(dim))
      refuse_dim(file, row + 1, found, dim);
  const std::uint64_t whole = file.bytes() / stride;
  file.refuse("row " + std::to_string(whole) + ": the file ends at byte " + std::to_string(file.bytes()) +
              ", expected this row to end at byte " + std::to_string((whole + 1) * stride) + " (dim " +
              std::to_string(dim) + ", " + std::to_string(stride) + " bytes a row)");
}

/// Rows with their dim before each.
class PrefixedStream final : public DenseStream {
 public:
  PrefixedStream(FileReader file, std::uint64_t rows, std::size_t dim, ElementType type)
      : DenseStream(file.name(), rows, dim, type, true),
        file_(std::move(file)),
        stride_(kPrefixBytes + dim * element_bytes(type)) {}

 private:
  void read_rows(std::span<std::byte> out, std::size_t rows) override {
    const std::size_t row_bytes = stride_ - kPrefixBytes;
    while (rows > 0) {
      const std::size_t n = std::min(rows, std::max<std::size_t>(1, kReadBytes / stride_));
      buffer_.resize(n * stride_);
      file_.read(buffer_, next_ * stride_);
      for (std::size_t i = 0; i < n; ++i, ++next_) {
        const std::byte* row = buffer_.data() + i * stride_;
        std::int32_t found;
        std::memcpy(&found, row, sizeof found);
        if (found != static_cast<std::int64_t>(dim())) refuse_dim(file_, next_, found, dim());
        std::memcpy(out.data() + i * row_bytes, row + kPrefixBytes, row_bytes);
      }
      out = out.subspan(n * row_bytes);
      rows -= n;
    }
  }

  FileReader file_;
  std::size_t stride_;
  std::uint64_t next_ = 0;  // row
  std::vector<std::byte> buffer_;
};

}  // namespace

std::unique_ptr<DenseStream> open_vecs(FileReader file, ElementType type) {
  if (file.bytes() == 0) file.refuse("an empty file, expected at least one row");
  if (file.bytes() < kPrefixBytes)
    file.refuse(std::to_string(file.bytes()) + " bytes, expected at least the " + std::to_string(kPrefixBytes) +
                " of a row's dim");
  const auto dim = file.read<std::int32_t>(0);
  if (dim <= 0) file.refuse("row 0: dim " + std::to_string(dim) + ", expected 1 or more");
  const std::uint64_t stride = kPrefixBytes + static_cast<std::uint64_t>(dim) * element_bytes(type);
  if (file.bytes() % stride != 0) refuse_length(file, static_cast<std::uint64_t>(dim), stride);
  const std::uint64_t rows = file.bytes() / stride;
  return std::make_unique<PrefixedStream>(std::move(file), rows, static_cast<std::size_t>(dim), type);
}

std::unique_ptr<DenseStream> open_bin(FileReader file, ElementType type) {
  struct Counts {
    std::uint32_t rows, dim;
  };
  if (file.bytes() < sizeof(Counts))
    file.refuse(std::to_string(file.bytes()) + " bytes, expected at least the " + std::to_string(sizeof(Counts)) +
                " of rows and dim");
  const auto counts = file.read<Counts>(0);
  return packed_rows(std::move(file), sizeof(Counts), counts.rows, counts.dim, type);
}

}  // namespace cassata
