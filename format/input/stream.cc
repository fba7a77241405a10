#include "cassata/stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "cassata/error.h"
#include "format/base/text.h"
#include "format/input/formats.h"
#include "format/input/vector_lengths.h"

namespace cassata {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

/// f16 bits to f32. Subnormals are computed by subtracting normal numbers, so that no rounding or flush-to-zero mode of
/// the processor changes them.
float widen(std::uint16_t half) {
  constexpr std::uint32_t kExponent = 0x0F80'0000, kRebias = 112u << 23, kLeastNormal = 113u << 23;
  const std::uint32_t magnitude = (half & 0x7FFFu) << 13, sign = (half & 0x8000u) << 16,
                      exponent = magnitude & kExponent;
  const std::uint32_t subnormal =
      std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude + kLeastNormal) - std::bit_cast<float>(kLeastNormal));
  const std::uint32_t normal =
      magnitude + kRebias + (exponent == kExponent ? kRebias : 0u);  // all ones: infinity or NaN stays one
  return std::bit_cast<float>(sign | (exponent == 0 ? subnormal : normal));
}

template <class T, class Convert>
void convert_each(std::span<const std::byte> raw, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, raw.data() + i * sizeof(T), sizeof(T));
    out[i] = convert(value);
  }
}

void convert(ElementType type, std::span<const std::byte> raw, std::span<float> out) {
  const auto plain = [](auto value) { return static_cast<float>(value); };
  /// A value above the range of f32 becomes an infinity; one below it the smallest number above 0, so that a vector of
  /// such values is not taken for a zero vector.
  const auto narrow = [](double value) {
    const auto rounded = static_cast<float>(value);
    return rounded == 0 && value != 0
               ? std::copysign(std::numeric_limits<float>::denorm_min(), static_cast<float>(value))
               : rounded;
  };
  switch (type) {
    case ElementType::f32: return convert_each<float>(raw, out, plain);
    case ElementType::f16: return convert_each<std::uint16_t>(raw, out, widen);
    case ElementType::f64: return convert_each<double>(raw, out, narrow);
    case ElementType::u8: return convert_each<std::uint8_t>(raw, out, plain);
    case ElementType::i8: return convert_each<std::int8_t>(raw, out, plain);
  }
}

/// Text of element `i` of raw rows for a message; `converted` is its value as f32.
std::string describe(ElementType type, std::span<const std::byte> raw, std::size_t i, float converted) {
  double value = converted;
  if (type == ElementType::f64) std::memcpy(&value, raw.data() + i * sizeof value, sizeof value);
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "infinity" : "-infinity";
  return short_number(value) + std::string(std::isfinite(converted) ? "" : ", which f32 cannot hold");
}

class MemoryStream final : public DenseStream {
 public:
  MemoryStream(std::string name, const void* data, std::uint64_t rows, std::size_t dim, ElementType type)
      : DenseStream(std::move(name), rows, dim, type), next_(static_cast<const std::byte*>(data)) {}

 private:
  void read_rows(std::span<std::byte> out, std::size_t) override {
    std::memcpy(out.data(), next_, out.size());
    next_ += out.size();
  }

  const std::byte* next_;
};

class PackedStream final : public DenseStream {
 public:
  PackedStream(FileReader file, std::uint64_t offset, std::uint64_t rows, std::size_t dim, ElementType type)
      : DenseStream(file.name(), rows, dim, type, true), file_(std::move(file)), next_(offset) {}

 private:
  void read_rows(std::span<std::byte> out, std::size_t) override {
    file_.read(out, next_);
    next_ += out.size();
  }

  FileReader file_;
  std::uint64_t next_;
};

struct Format {
  std::string_view extension;
  std::unique_ptr<DenseStream> (*open)(FileReader, ElementType);
  ElementType type = ElementType::f32;
};

constexpr std::array<Format, 6> kFormats = {{{".npy", open_npy},
                                             {".fvecs", open_vecs, ElementType::f32},
                                             {".bvecs", open_vecs, ElementType::u8},
                                             {".fbin", open_bin, ElementType::f32},
                                             {".u8bin", open_bin, ElementType::u8},
                                             {".i8bin", open_bin, ElementType::i8}}};

}  // namespace

VectorStream::VectorStream(std::string name, VectorKind vector_kind, std::uint64_t size, std::size_t dim, bool is_file)
    : name_(std::move(name)), is_file_(is_file), vector_kind_(vector_kind), size_(size), dim_(dim) {}

void VectorStream::note(std::uint64_t rows, std::span<const std::byte> raw) {
  hash_.update(raw);
  bytes_ += raw.size();
  done_ += rows;
}

InputEntry VectorStream::entry() const {
  return {
      .name = std::filesystem::path(name_).filename().string(), .rows = done_, .bytes = bytes_, .xxh3 = hash_.digest()};
}

DenseStream::DenseStream(std::string name, std::uint64_t size, std::size_t dim, ElementType type, bool is_file)
    : VectorStream(std::move(name), VectorKind::dense, size, dim, is_file), element_type_(type) {
  if (dim == 0 || dim > kMaxDim)
    invalid_argument(this->name() + ": dim " + std::to_string(dim) + ", expected 1 to " + std::to_string(kMaxDim));
}

Batch DenseStream::next_batch() {
  const std::uint64_t rows =
      std::min<std::uint64_t>(std::max<std::size_t>(1, kBatchBytes / (dim() * sizeof(float))), size() - done());
  if (rows == 0) return {.dim = dim()};
  batch_.resize(static_cast<std::size_t>(rows) * dim());
  return {.data = batch_.data(), .rows = next(batch_), .dim = dim()};
}

std::size_t DenseStream::next(std::span<float> out) {
  if (out.size() < dim())
    invalid_argument(name() + ": room for " + std::to_string(out.size()) + " floats, expected at least a row of " +
                     std::to_string(dim()));
  const std::size_t row_bytes = dim() * element_bytes(element_type_);
  const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size() / dim(), size() - done()));
  for (std::size_t read = 0; read < wanted;) {  // in chunks small enough to stay in cache until they are checked
    const std::size_t rows = std::min(wanted - read, std::max<std::size_t>(1, kChunkBytes / row_bytes));
    const std::span<float> to = out.subspan(read * dim(), rows * dim());
    std::span<std::byte> raw = std::as_writable_bytes(to);
    if (element_type_ != ElementType::f32) {
      raw_.resize(std::max(raw_.size(), rows * row_bytes));
      raw = std::span(raw_).first(rows * row_bytes);
    }
    read_rows(raw, rows);
    if (element_type_ != ElementType::f32) convert(element_type_, raw, to);
    for (std::size_t i = 0; i < rows; ++i)
      check(raw.subspan(i * row_bytes, row_bytes), to.subspan(i * dim(), dim()), done() + i);
    note(rows, raw);
    read += rows;
  }
  return wanted;
}

void DenseStream::check(std::span<const std::byte> raw, std::span<const float> values, std::uint64_t row) const {
  constexpr float kMostHalf = 65504;
  const bool halves = expected_ == Expected::halves;
  const auto fits = [=](float value) {
    return std::abs(value) <= (halves ? kMostHalf : std::numeric_limits<float>::max());
  };
  if ((expected_ == Expected::numbers || comparable(values)) &&
      (expected_ == Expected::vectors || std::ranges::all_of(values, fits)))
    return;
  const auto refuse = [&](std::size_t column, const std::string& found) {
    invalid_argument(name() + ": " + (row_name_ ? row_name_(row) : "row " + std::to_string(row)) + ", column " +
                     std::to_string(column) + ": " + found);
  };
  if (const auto bad = std::ranges::find_if_not(values, fits); bad != values.end()) {
    const auto column = static_cast<std::size_t>(bad - values.begin());
    refuse(column, describe(element_type_, raw, column, *bad) + "; expected a finite number" +
                       (halves ? " within f16's +-65504" : ""));
  }
  refuse(largest_value(values), length_fault(values));
}

std::string input_extension(const std::filesystem::path& path) {
  constexpr std::string_view kCropped = ".crop_nb_";
  std::filesystem::path name = path.filename();
  const std::string last = name.extension().string();
  const bool cropped = last.starts_with(kCropped) && last.size() > kCropped.size() &&
                       last.find_first_not_of("0123456789", kCropped.size()) == last.npos;
  std::string extension = (cropped ? name.stem() : name).extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

std::unique_ptr<DenseStream> open_stream(const std::filesystem::path& path) {
  if (const std::string text = path.string(); text.find("://") != text.npos)
    invalid_argument(text + ": a URL, expected a local file");
  const std::string extension = input_extension(path);
  std::string known;
  for (const Format& format : kFormats) {
    if (extension == format.extension) return format.open(FileReader(path), format.type);
    known += (known.empty() ? "" : ", ") + std::string(format.extension);
  }
  invalid_argument(path.string() + ": extension '" + extension + "', expected one of " + known +
                   "; sparse vectors are in .bin or .npz files");
}

std::unique_ptr<DenseStream> packed_rows(FileReader file, std::uint64_t offset, std::uint64_t rows, std::uint64_t dim,
                                         ElementType type) {
  const std::uint64_t found = file.bytes() - offset, size = element_bytes(type);
  const bool fits = dim == 0 || dim > kMaxDim ||
                    (rows <= found / (dim * size) && rows * dim * size == found);  // the first two are refused below
  if (!fits)
    file.refuse(std::to_string(found) + " bytes after the header of " + std::to_string(offset) + ", expected " +
                std::to_string(rows) + " rows x " + std::to_string(dim) + " elements x " + std::to_string(size) +
                " bytes" +
                (rows <= found / (dim * size) ? "; the file has trailing bytes" : "; the file is truncated"));
  return std::make_unique<PackedStream>(std::move(file), offset, rows, static_cast<std::size_t>(dim), type);
}

std::unique_ptr<DenseStream> memory_stream(std::string name, const void* data, std::uint64_t rows, std::size_t dim,
                                           ElementType type) {
  return std::make_unique<MemoryStream>(std::move(name), data, rows, dim, type);
}

std::vector<float> read_all(DenseStream& stream) {
  std::vector<float> values(static_cast<std::size_t>(stream.size()) * stream.dim());
  if (stream.size() != 0) stream.next(values);
  return values;
}

}  // namespace cassata
