#include "format/input/token_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "format/file/section.h"
#include "format/input/formats.h"

namespace cassata {
namespace {

constexpr std::uint64_t kFolderRows = 1 << 14;
constexpr std::size_t kPqCentroids = 256;

constexpr std::array<std::string_view, 3> kFloats = {"<f4", "<f2", "<u2"};
constexpr std::array<ElementType, 3> kFloatTypes = {ElementType::f32, ElementType::f16, ElementType::f16};

bool is_there(const std::filesystem::path& path) {
  std::error_code error;  // ignored: opening the file reports it
  return std::filesystem::exists(path, error);
}

/// "document 17, token 3", for token number `token` of the collection.
std::string token_place(std::string_view owner, std::span<const std::uint64_t> offsets, std::uint64_t token) {
  const auto end = std::ranges::upper_bound(offsets, token);
  return std::string(owner) + " " + std::to_string(end - offsets.begin() - 1) + ", token " +
         std::to_string(token - *(end - 1));
}

struct Doclens {
  std::vector<std::uint64_t> offsets;
  InputEntry entry;
};

Doclens read_doclens(const std::filesystem::path& path) {
  NpyReader file(path, std::span(kNpyIntegers).first(4), {{1, "(rows,)"}});
  if (file.rows() > kMaxSize)
    file.refuse(std::to_string(file.rows()) + " rows, expected at most " + std::to_string(kMaxSize));
  std::vector<std::uint64_t> offsets = {0};
  offsets.reserve(static_cast<std::size_t>(file.rows()) + 1);
  while (file.done() < file.rows()) {
    const std::span<const std::byte> raw = file.next(kFolderRows);
    with_npy_integer(file.header().type, [&]<class T>(T) {
      for (std::size_t at = 0; at < raw.size(); at += sizeof(T)) {
        const T tokens = number_at<T>(raw.data() + at);
        const std::uint64_t most = std::numeric_limits<std::int64_t>::max() - offsets.back();
        if (!std::in_range<std::uint64_t>(tokens) || std::cmp_greater(tokens, most))
          file.refuse("row " + std::to_string(offsets.size() - 1) + ": " + std::to_string(tokens) +
                      " tokens, expected 0 to " + std::to_string(most));
        offsets.push_back(offsets.back() + static_cast<std::uint64_t>(tokens));
      }
    });
  }
  return {.offsets = std::move(offsets), .entry = file.entry()};
}

/// Tokens of padded documents: each document has room for the same number of tokens and uses the first ones.
class PaddedStream final : public DenseStream {
 public:
  PaddedStream(FileReader file, const NpyHeader& header, std::span<const std::uint64_t> offsets)
      : DenseStream(file.name(), offsets.back(), static_cast<std::size_t>(header.shape[2]), kFloatTypes[header.type],
                    true),
        file_(std::move(file)),
        begin_(header.offset),
        room_(header.shape[1]),
        offsets_(offsets) {}

 private:
  void read_rows(std::span<std::byte> out, std::size_t rows) override {
    const std::size_t bytes = out.size() / rows;
    while (!out.empty()) {
      while (next_ == offsets_[document_ + 1]) ++document_;
      const std::uint64_t token = next_ - offsets_[document_], left = offsets_[document_ + 1] - next_;
      const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(left, out.size() / bytes));
      file_.read(out.first(n * bytes), begin_ + (document_ * room_ + token) * bytes);
      out = out.subspan(n * bytes);
      next_ += n;
    }
  }

  FileReader file_;
  std::uint64_t begin_, room_;  // file offset of the first document; tokens per document, padding included
  std::span<const std::uint64_t> offsets_;
  std::uint64_t document_ = 0, next_ = 0;  // next_: the next token; it belongs to document_ or a later document
};

/// An open file of tokens and its header.
struct TokenFile {
  FileReader file;
  NpyHeader header;

  explicit TokenFile(const std::filesystem::path& path)
      : file(path),
        header(read_npy_header(file, kFloats,
                               {{2, "(total_tokens, token_dim)"}, {3, "(documents, tokens, token_dim)"}})) {}
  bool flat() const { return header.shape.size() == 2; }
};

/// A stream of tokens. The tokens of each owner ("document" or "query") begin at `offsets`, which are borrowed and were
/// read from the file `doclens`.
std::unique_ptr<DenseStream> token_stream(TokenFile tokens, std::string_view owner,
                                          std::span<const std::uint64_t> offsets,
                                          const std::filesystem::path& doclens) {
  auto& [file, header] = tokens;
  const std::uint64_t owners = offsets.size() - 1, total = offsets.back(), rows = header.shape[0],
                      dim = header.shape.back();
  std::unique_ptr<DenseStream> stream;
  if (tokens.flat()) {
    stream = packed_rows(std::move(file), header.offset, rows, dim, kFloatTypes[header.type]);
    if (rows != total)
      invalid_argument(stream->name() + ": " + std::to_string(rows) + " tokens, expected " + std::to_string(total) +
                       ", the sum of " + doclens.string());
  } else {
    const std::uint64_t room = header.shape[1];
    check_npy_length(file, header);
    if (rows != owners)
      file.refuse(std::to_string(rows) + " rows, expected " + std::to_string(owners) + ", as many as in " +
                  doclens.string());
    for (std::size_t i = 0; i < owners; ++i)
      if (const std::uint64_t found = offsets[i + 1] - offsets[i]; found > room)
        invalid_argument(doclens.string() + ": row " + std::to_string(i) + ": " + std::to_string(found) +
                         " tokens, expected at most " + std::to_string(room) + ", the room in " + file.name());
    stream = std::make_unique<PaddedStream>(std::move(file), header, offsets);
  }
  stream->call_rows([owner, offsets](std::uint64_t token) { return token_place(owner, offsets, token); });
  return stream;
}

/// Reads a whole array of rows x dim numbers, whatever its shape, and appends its provenance to `read`.
std::vector<float> read_floats(FileReader file, const NpyHeader& header, std::uint64_t rows, std::uint64_t dim,
                               std::function<std::string(std::uint64_t)> row_name, std::vector<InputEntry>& read) {
  const auto stream = packed_rows(std::move(file), header.offset, rows, dim, kFloatTypes[header.type]);
  stream->call_rows(std::move(row_name));
  stream->expect_numbers();  // centroids and parts of vectors may have any length
  std::vector<float> values = read_all(*stream);
  read.push_back(stream->entry());
  return values;
}

/// Throws Error(invalid_argument) unless the number of subspaces divides `dim` and equals `expected`, if that is given.
void check_subspaces(const NpyReader& residuals, std::uint64_t dim, std::optional<std::size_t> expected) {
  const std::uint64_t m = residuals.header().shape[1];
  if (expected && m != *expected)
    residuals.refuse(std::to_string(m) + " columns, expected " + std::to_string(*expected) +
                     ", the value of pq_subspaces");
  if (m == 0 || dim % m != 0)
    residuals.refuse(std::to_string(m) + " columns, expected a divisor of " + std::to_string(dim) +
                     ", the dimension of centroids.npy");
}

void check_total(const NpyReader& file, std::uint64_t total) {
  if (file.rows() != total)
    file.refuse(std::to_string(file.rows()) + " tokens, expected " + std::to_string(total) +
                ", the sum of doclens.npy");
}

void append_utf8(char32_t c, std::string& out) {
  const auto push = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) return push(c);
  if (c >= 0x10000) push(0xF0 | c >> 18);
  if (c >= 0x10000)
    push(0x80 | (c >> 12 & 0x3F));
  else if (c >= 0x800)
    push(0xE0 | c >> 12);
  push(c >= 0x800 ? 0x80 | (c >> 6 & 0x3F) : 0xC0 | c >> 6);
  push(0x80 | (c & 0x3F));
}

constexpr std::array<std::string_view, 6> kIdTypes = {
    kNpyIntegers[0], kNpyIntegers[1], kNpyIntegers[2], kNpyIntegers[3], "|S", "<U"};

/// An id as text. NumPy pads texts with zeros.
std::string id_text(const NpyReader& file, std::uint64_t row, std::span<const std::byte> raw) {
  std::string text;
  if (kIdTypes[file.header().type] == "|S") {
    text.assign(reinterpret_cast<const char*>(raw.data()), raw.size());
    text.erase(text.find_last_not_of('\0') + 1);
  } else if (kIdTypes[file.header().type] == "<U") {
    std::size_t length = raw.size() / sizeof(char32_t);
    const auto at = [&](std::size_t i) { return number_at<char32_t>(raw.data() + i * sizeof(char32_t)); };
    while (length > 0 && at(length - 1) == 0) --length;
    for (std::size_t i = 0; i < length; ++i) {
      if (at(i) > 0x10FFFF)
        file.refuse("row " + std::to_string(row) + ", character " + std::to_string(i) + ": " +
                    std::to_string(std::uint32_t{at(i)}) + ", expected at most 1114111");
      append_utf8(at(i), text);
    }
  } else {
    with_npy_integer(file.header().type, [&]<class T>(T) { text = std::to_string(number_at<T>(raw.data())); });
  }
  return text;
}

}  // namespace

TwoLevelStream::TwoLevelStream(const std::filesystem::path& folder, std::span<const std::uint64_t> offsets,
                               std::optional<std::size_t> pq_subspaces)
    : offsets_(offsets),
      assignment_(folder / "index_assignment.npy", kNpyIntegers, {{1, "(total_tokens,)"}}),
      residuals_(folder / "residuals.npy", std::array<std::string_view, 1>{"|u1"}, {{2, "(total_tokens, m_pq)"}}) {
  const std::span kTypes = std::span(kFloats).first(2);
  FileReader centroids(folder / "centroids.npy"), pq_centroids(folder / "pq_centroids.npy");
  const NpyHeader header = read_npy_header(centroids, kTypes, {{2, "(centroids, token_dim)"}});
  const NpyHeader pq =
      read_npy_header(pq_centroids, kTypes, {{3, "(m_pq, 256, token_dim / m_pq)"}, {1, "(256 * token_dim,)"}});
  if (const std::uint64_t n = header.shape[0]; n > std::uint64_t{1} << 32)
    centroids.refuse(std::to_string(n) + " centroids, expected at most 4294967296");
  centroids_ = read_floats(
      std::move(centroids), header, header.shape[0], header.shape[1],
      [](std::uint64_t row) { return "centroid " + std::to_string(row); }, read_);
  token_dim_ = static_cast<std::size_t>(header.shape[1]);
  check_total(assignment_, offsets.back());
  check_total(residuals_, offsets.back());
  if (const auto norms = folder / "residual_norms.npy"; is_there(norms)) {
    norms_.emplace(norms, std::array<std::string_view, 1>{"<f2"},
                   std::initializer_list<NpyShape>{{1, "(total_tokens,)"}});
    check_total(*norms_, offsets.back());
  }
  check_subspaces(residuals_, token_dim_, pq_subspaces);
  const std::vector<std::uint64_t> expected = {m_pq(), kPqCentroids, token_dim_ / m_pq()},
                                   flat = {kPqCentroids * token_dim_};
  if (pq.shape != expected && pq.shape != flat)
    pq_centroids.refuse("shape " + npy_shape_text(pq.shape) + ", expected " + npy_shape_text(expected) + " or " +
                        npy_shape_text(flat) + ": " + std::to_string(token_dim_) + " dimensions as in centroids.npy, " +
                        std::to_string(m_pq()) + " subspaces as in residuals.npy");
  const auto name = [](std::uint64_t row) {
    return "subspace " + std::to_string(row / kPqCentroids) + ", centroid " + std::to_string(row % kPqCentroids);
  };
  pq_centroids_ = read_floats(std::move(pq_centroids), pq, m_pq() * kPqCentroids, token_dim_ / m_pq(), name, read_);
}

TwoLevelStream::Tokens TwoLevelStream::next() {
  const std::uint64_t first = assignment_.done(), count = centroids_.size() / token_dim_;
  const std::uint64_t rows = std::clamp<std::uint64_t>(kBatchBytes / m_pq(), 1, kFolderRows);
  const std::span<const std::byte> raw = assignment_.next(rows);
  batch_.clear();
  with_npy_integer(assignment_.header().type, [&]<class T>(T) {
    for (std::size_t at = 0; at < raw.size(); at += sizeof(T)) {
      const T centroid = number_at<T>(raw.data() + at);
      if (std::cmp_less(centroid, 0) || std::cmp_greater_equal(centroid, count))
        assignment_.refuse(token_place("document", offsets_, first + batch_.size()) + ": centroid " +
                           std::to_string(centroid) + ", expected one of the " + std::to_string(count) +
                           " of centroids.npy");
      batch_.push_back(static_cast<std::uint32_t>(centroid));
    }
  });
  batch_norms_.clear();
  if (norms_) {
    const std::span<const std::byte> halves = norms_->next(rows);
    for (std::size_t at = 0; at < halves.size(); at += sizeof(std::uint16_t)) {
      const auto norm = number_at<std::uint16_t>(halves.data() + at);
      const bool is_finite = (norm & 0x7C00) != 0x7C00, is_negative = norm > 0x8000;  // 0x8000 is -0
      if (!is_finite || is_negative)
        norms_->refuse(token_place("document", offsets_, first + batch_norms_.size()) + ": " +
                       (is_finite ? "a negative number" : "a NaN or an infinity") +
                       ", expected a finite norm from 0 on");
      batch_norms_.push_back(norm);
    }
  }
  return {.centroids = batch_, .norms = batch_norms_, .codes = residuals_.next(rows)};
}

std::vector<InputEntry> TwoLevelStream::entries() const {
  std::vector<InputEntry> all = {read_[0], assignment_.entry(), read_[1], residuals_.entry()};
  if (norms_) all.push_back(norms_->entry());
  return all;
}

TokenFolder::TokenFolder(const std::filesystem::path& folder, std::optional<TokenLayout> layout) : folder_(folder) {
  const bool plain = is_there(folder / "documents.npy"), two_level = is_there(folder / "centroids.npy");
  if (!layout && plain && two_level)
    invalid_argument(folder.string() +
                     ": holds both documents.npy (plain tokens) and centroids.npy (two-level tokens), expected one; "
                     "choose a layout");
  if (!layout && !plain && !two_level)
    io_error("cannot find documents.npy (plain tokens) or centroids.npy (two-level tokens) in " + folder.string(),
             ENOENT);
  layout_ = layout.value_or(plain ? TokenLayout::plain : TokenLayout::two_level);
  Doclens doclens = read_doclens(folder / "doclens.npy");
  offsets_ = std::move(doclens.offsets);
  doclens_ = std::move(doclens.entry);
}

std::unique_ptr<DenseStream> TokenFolder::tokens() const {
  auto stream = token_stream(TokenFile(folder_ / "documents.npy"), "document", offsets_, folder_ / "doclens.npy");
  stream->expect_halves();  // tokens are stored as f16
  return stream;
}

std::unique_ptr<TwoLevelStream> TokenFolder::two_level_tokens(std::optional<std::size_t> pq_subspaces) const {
  return std::unique_ptr<TwoLevelStream>(new TwoLevelStream(folder_, offsets_, pq_subspaces));
}

std::optional<std::filesystem::path> TokenFolder::ids() const {
  const std::filesystem::path path = folder_ / "ids.npy";
  return is_there(path) ? std::optional(path) : std::nullopt;
}

std::array<std::filesystem::path, 2> token_query_files(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path file = std::filesystem::is_directory(path, error) ? path / "queries.npy" : path;
  return {file, file.filename() == "queries.npy" ? file.parent_path() / "query_doclens.npy" : std::filesystem::path()};
}

TokenQueries read_token_queries(const std::filesystem::path& path) {
  const auto [file, doclens] = token_query_files(path);
  TokenFile tokens(file);
  TokenQueries queries;
  if (is_there(doclens)) {
    queries.offsets = read_doclens(doclens).offsets;
  } else {
    const std::vector<std::uint64_t>& shape = tokens.header.shape;
    check_npy_length(tokens.file, tokens.header);
    if (tokens.flat() || shape[1] == 0 || shape[2] == 0)
      tokens.file.refuse("shape " + npy_shape_text(shape) +
                         ", expected (queries, tokens, token_dim), or query_doclens.npy beside it");
    for (std::uint64_t i = 1; i <= shape[0]; ++i) queries.offsets.push_back(i * shape[1]);
  }
  const auto stream = token_stream(std::move(tokens), "query", queries.offsets, doclens);
  queries.dim = stream->dim();
  queries.values = read_all(*stream);
  return queries;
}

void check_same_ids(const std::filesystem::path& left, const std::filesystem::path& right, std::uint64_t count) {
  NpyReader a(left, kIdTypes, {{1, "(rows,)"}}), b(right, kIdTypes, {{1, "(rows,)"}});
  for (const NpyReader* file : {&a, &b})
    if (file->rows() != count)
      file->refuse(std::to_string(file->rows()) + " ids, expected " + std::to_string(count) +
                   ", one for each document");
  const std::size_t a_bytes = a.header().element_bytes, b_bytes = b.header().element_bytes;
  while (a.done() < a.rows()) {
    const std::uint64_t first = a.done(), rows = std::max<std::uint64_t>(1, kBatchBytes / std::max(a_bytes, b_bytes));
    const std::span<const std::byte> of_a = a.next(rows), of_b = b.next(rows);
    for (std::size_t i = 0; i < of_a.size() / a_bytes; ++i) {
      const std::string expected = id_text(a, first + i, of_a.subspan(i * a_bytes, a_bytes));
      const std::string found = id_text(b, first + i, of_b.subspan(i * b_bytes, b_bytes));
      if (found != expected)
        b.refuse("row " + std::to_string(first + i) + ": id " + in_quotes(found) + ", expected " + in_quotes(expected) +
                 ", as in " + a.name());
    }
  }
}

}  // namespace cassata
