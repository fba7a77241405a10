#include "cassata/two_level.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "cassata/error.h"
#include "engine/base/parallel.h"
#include "engine/base/sampling.h"
#include "engine/index/registry.h"
#include "engine/multivector/centroids.h"
#include "format/input/npy.h"
#include "format/input/token_files.h"
#include "format/os/publish.h"

namespace cassata {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kPqCentroids = 256;
constexpr std::uint64_t kSamplesPerCentroid = 64, kPqSamples = 256 * kPqCentroids;
constexpr std::uint64_t kSampleBytes = std::uint64_t{1} << 29;  // at most, unless there are as many centroids

/// Sizes, checked before tokens are read.
struct Plan {
  std::uint64_t tokens;
  std::size_t dim, m_pq, n_centroids, samples;

  Plan(const DenseStream& stream, const TwoLevelChoices& choices)
      : tokens(stream.size()), dim(stream.dim()), m_pq(choices.pq_subspaces) {
    if (tokens == 0 || dim == 0) invalid_argument(stream.name() + ": no tokens, expected at least one");
    if (m_pq == 0 || dim % m_pq != 0)
      invalid_argument("pq_subspaces: " + std::to_string(m_pq) + " given, expected a divisor of " +
                       std::to_string(dim) + ", the token_dim of " + stream.name());
    const std::uint64_t given = choices.n_centroids, max = std::min(tokens, kMaxSize);
    if (given > max)
      invalid_argument("n_centroids: " + std::to_string(given) + " given, expected at most " + std::to_string(max) +
                       ", the number of tokens in " + stream.name());
    n_centroids = static_cast<std::size_t>(given != 0 ? given : automatic_centroids(tokens));
    const std::uint64_t wanted = std::max(kSamplesPerCentroid * n_centroids, kPqSamples),
                        held = kSampleBytes / (sizeof(float) * dim);
    samples = static_cast<std::size_t>(std::min(tokens, std::max<std::uint64_t>(std::min(wanted, held), n_centroids)));
  }
};

/// Reads tokens as f32, some for each thread at a time, and reports the progress.
class TokenReader {
 public:
  TokenReader(const TokenFolder& folder, const Plan& plan, unsigned num_threads, const Progress& progress,
              std::string_view stage)
      : stream_(folder.tokens()), stage_(stage), progress_(progress) {
    if (stream_->size() != plan.tokens || stream_->dim() != plan.dim)
      invalid_argument(stream_->name() + ": changed while it was read");
    values_.resize(2 * threads_of(num_threads) * Centroids::batch_size(plan.dim) * plan.dim);
  }
  /// False at the end.
  bool next() {
    begin_ += rows_;
    if (progress_) progress_(stage_, begin_, stream_->size());
    rows_ = stream_->next(values_);
    return rows_ != 0;
  }
  std::uint64_t begin() const noexcept { return begin_; }  ///< number of the first token in memory
  std::size_t rows() const noexcept { return rows_; }
  const float* row(std::size_t i) const noexcept { return values_.data() + i * stream_->dim(); }

 private:
  std::unique_ptr<DenseStream> stream_;
  std::string_view stage_;
  const Progress& progress_;
  std::vector<float> values_;
  std::uint64_t begin_ = 0;
  std::size_t rows_ = 0;
};

std::vector<float> take_sample(TokenReader& tokens, const Plan& plan) {
  const auto token_of = [&](std::uint64_t i) { return sampled(i, plan.samples, plan.tokens); };
  std::vector<float> sample;
  sample.reserve(plan.samples * plan.dim);
  std::uint64_t i = 0;
  while (tokens.next()) {
    for (; i < plan.samples && token_of(i) < tokens.begin() + tokens.rows(); ++i) {
      const float* row = tokens.row(static_cast<std::size_t>(token_of(i) - tokens.begin()));
      sample.insert(sample.end(), row, row + plan.dim);
    }
  }
  return sample;
}

/// The learned model: centroids, and the product quantizer of residuals.
class TwoLevelModel {
 public:
  TwoLevelModel(std::vector<float> sample, const Plan& plan, const TwoLevelChoices& choices)
      : plan_(plan),
        centroids_(train_centroids(sample, plan.dim, plan.n_centroids, choices.num_threads, choices.progress)),
        quantizer_(
            row_of(Encoding::pq).encoder({.dim = plan.dim, .code = {.m_pq = static_cast<std::uint32_t>(plan.m_pq)}})) {
    if (choices.progress) choices.progress("residuals", 0, 1);
    const std::size_t batch = Centroids::batch_size(plan.dim), size = std::min<std::size_t>(plan.samples, kPqSamples);
    for (std::size_t i = 0; i < size; ++i)
      std::copy_n(sample.data() + sampled(i, size, plan.samples) * plan.dim, plan.dim, sample.data() + i * plan.dim);
    sample.resize(size * plan.dim);
    parallel_for(choices.num_threads, (size + batch - 1) / batch, 1, [&](std::size_t begin, std::size_t end, unsigned) {
      std::vector<std::uint32_t> which(batch);
      for (std::size_t first = begin * batch; first < std::min(end * batch, size); first += batch) {
        const std::size_t n = std::min(batch, size - first);
        float* rows = sample.data() + first * plan.dim;
        centroids_.nearest(rows, n, which.data());
        subtract_centroids(which.data(), n, rows);
      }
    });
    const Section residuals{.file = "residuals", .name = "sample", .bytes = std::as_bytes(std::span(sample))};
    const auto learning = [&](std::string_view, std::uint64_t done, std::uint64_t total) {
      if (choices.progress) choices.progress("residuals", done, total);
    };
    quantizer_->train(
        *row_of(Encoding::f32).open({.rows = residuals, .offsets = {}}, size, {.dim = plan.dim})->dense_rows(),
        choices.num_threads, learning);
    std::vector<float> coordinates(quantizer_->model().size() / sizeof(float));
    std::memcpy(coordinates.data(), quantizer_->model().data(), quantizer_->model().size());
    pq_centroids_.resize(coordinates.size());
    for (std::size_t s = 0, width = plan.dim / plan.m_pq; s < plan.m_pq; ++s)
      for (std::size_t c = 0; c < kPqCentroids; ++c)
        for (std::size_t j = 0; j < width; ++j)
          pq_centroids_[(s * kPqCentroids + c) * width + j] = coordinates[(s * width + j) * kPqCentroids + c];
  }

  /// n_centroids x dim, row-major.
  std::span<const float> centroids() const noexcept { return centroids_.rows(); }
  /// m_pq x 256 x dim / m_pq, row-major.
  std::span<const float> pq_centroids() const noexcept { return pq_centroids_; }

  /// Sums of squares over the tokens of a batch.
  struct Squares {
    double tokens = 0;     ///< of tokens
    double residuals = 0;  ///< of tokens minus their centroids
    double rest = 0;       ///< of tokens minus their decoded two-level codes
    Squares& operator+=(const Squares& other) {
      tokens += other.tokens, residuals += other.residuals, rest += other.rest;
      return *this;
    }
  };

  /// Encodes n tokens, n x dim values, at most Centroids::batch_size(): writes n centroid numbers to `assignment`, and
  /// n x m_pq codes to `codes`.
  Squares encode(const float* tokens, std::size_t n, std::uint64_t* assignment, std::byte* codes) const {
    std::vector<std::uint32_t> which(n);
    centroids_.nearest(tokens, n, which.data());
    std::ranges::copy(which, assignment);
    std::vector<float> rest(tokens, tokens + n * plan_.dim);
    Squares sums{.tokens = sum_of_squares(rest)};
    subtract_centroids(which.data(), n, rest.data());
    sums.residuals = sum_of_squares(rest);
    EncodedRows encoded;
    quantizer_->encode({.data = rest.data(), .rows = n, .dim = plan_.dim}, {}, 0, encoded);
    std::ranges::copy(encoded.bytes, codes);
    float* values = rest.data();
    const std::size_t width = plan_.dim / plan_.m_pq;
    for (std::size_t i = 0; i < n * plan_.m_pq; ++i, values += width) {
      const float* centroid =
          pq_centroids_.data() + (i % plan_.m_pq * kPqCentroids + std::to_integer<std::size_t>(codes[i])) * width;
      for (std::size_t j = 0; j < width; ++j) values[j] -= centroid[j];
    }
    sums.rest = sum_of_squares(rest);
    return sums;
  }

 private:
  static double sum_of_squares(std::span<const float> values) {
    double sum = 0;
    for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
    return sum;
  }

  void subtract_centroids(const std::uint32_t* which, std::size_t n, float* rows) const noexcept {
    for (std::size_t i = 0; i < n; ++i, rows += plan_.dim) {
      const float* centroid = centroids_.row(which[i]);
      for (std::size_t j = 0; j < plan_.dim; ++j) rows[j] -= centroid[j];
    }
  }

  const Plan& plan_;
  Centroids centroids_;
  std::unique_ptr<Encoder> quantizer_;
  std::vector<float> pq_centroids_;
};

/// An output folder. Creates it if it does not exist; the destructor then removes it again if it is empty.
class OutFolder {
 public:
  explicit OutFolder(const fs::path& path) : path_(path) {
    std::error_code error;
    made_ = fs::create_directory(path, error);
    if (error) io_error("cannot make the folder " + path.string(), error.value());
  }
  OutFolder(const OutFolder&) = delete;
  OutFolder& operator=(const OutFolder&) = delete;
  ~OutFolder() {
    std::error_code not_empty;
    if (made_) fs::remove(path_, not_empty);
  }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

 private:
  fs::path path_;
  bool made_;
};

/// The output files. They appear under their names in publish().
class TwoLevelFiles {
 public:
  TwoLevelFiles(const OutFolder& folder, const Plan& plan, std::span<const std::uint64_t> offsets,
                const ReplaceParams& replace)
      : centroids(folder / "centroids.npy", "<f4", {plan.n_centroids, plan.dim}, replace),
        assignment(folder / "index_assignment.npy", "<u8", {plan.tokens}, replace),
        pq_centroids(folder / "pq_centroids.npy", "<f4", {kPqCentroids * plan.dim}, replace),
        residuals(folder / "residuals.npy", "|u1", {plan.tokens, plan.m_pq}, replace),
        doclens_(folder / "doclens.npy", "<i4", {offsets.size() - 1}, replace),
        folder_(folder),
        replace_(replace) {
    std::vector<std::int32_t> some;
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      some.push_back(static_cast<std::int32_t>(offsets[i + 1] - offsets[i]));
      if (some.size() < kSome && i + 2 < offsets.size()) continue;
      doclens_.append(std::as_bytes(std::span(some)));
      some.clear();
    }
  }

  void copy(const fs::path& from) {
    const FileReader file(from);
    PendingFile& to = copies_.emplace_back(folder_ / from.filename(), npy_kind(), replace_);
    std::vector<std::byte> some;
    for (std::uint64_t at = 0; at < file.bytes(); at += some.size()) {
      some.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kSome, file.bytes() - at)));
      file.read(some, at);
      to.write(some, at);
    }
  }

  /// Removes an old doclens.npy first and publishes the new one last: a folder without it is no collection, so that old
  /// and new files are never read as one.
  void publish() {
    std::error_code absent, failed;
    const fs::path old = fs::canonical(folder_ / "doclens.npy", absent);
    if (!absent) fs::remove(old, failed);
    if (failed) io_error("cannot remove " + old.string(), failed.value());
    for (PendingFile& file : copies_) file.publish();
    for (NpyWriter* file : {&centroids, &assignment, &pq_centroids, &residuals, &doclens_}) file->publish();
  }

  NpyWriter centroids, assignment, pq_centroids, residuals;

 private:
  static constexpr std::size_t kSome = std::size_t{1} << 20;

  NpyWriter doclens_;
  std::vector<PendingFile> copies_;
  const OutFolder& folder_;
  ReplaceParams replace_;
};

/// Encodes all tokens into `files`.
TwoLevelModel::Squares write_tokens(TokenReader& tokens, const TwoLevelModel& model, const Plan& plan,
                                    unsigned num_threads, TwoLevelFiles& files) {
  const std::size_t batch = Centroids::batch_size(plan.dim);
  std::vector<std::uint64_t> assignment;
  std::vector<std::byte> codes;
  std::vector<TwoLevelModel::Squares> squares;
  TwoLevelModel::Squares total;
  while (tokens.next()) {
    assignment.resize(tokens.rows());
    codes.resize(tokens.rows() * plan.m_pq);
    squares.resize((tokens.rows() + batch - 1) / batch);
    parallel_for(num_threads, squares.size(), 1, [&](std::size_t begin, std::size_t end, unsigned) {
      for (std::size_t b = begin; b < end; ++b) {
        const std::size_t first = b * batch, n = std::min(batch, tokens.rows() - first);
        squares[b] = model.encode(tokens.row(first), n, assignment.data() + first, codes.data() + first * plan.m_pq);
      }
    });
    for (const TwoLevelModel::Squares& some : squares) total += some;
    files.assignment.append(std::as_bytes(std::span(assignment)));
    files.residuals.append(codes);
  }
  return total;
}

/// Files of a collection besides its tokens; they are copied.
constexpr const char* kCompanions[] = {"queries.npy", "query_doclens.npy", "ids.npy"};
/// Files that an earlier call has left. doclens.npy may be missing among them: publish() removes the old one first.
constexpr const char* kWritten[] = {"centroids.npy", "index_assignment.npy", "pq_centroids.npy", "residuals.npy"};

/// Throws Error(io, EEXIST) if files would be replaced that do not look like the output of an earlier call.
void check_out_folder(const fs::path& out_folder, const ReplaceParams& replace) {
  if (replace.overwrite) return;
  std::error_code absent;
  const auto there = [&](const char* name) { return fs::exists(out_folder / name, absent); };
  const bool earlier_output = std::ranges::all_of(kWritten, there) && !there("documents.npy");
  const auto refuse_if_there = [&](const char* name) {
    if (there(name) && !earlier_output)
      throw Error(Errc::io,
                  "out_folder: " + (out_folder / name).string() +
                      " exists and belongs to another collection, expected no such file, or the output of an earlier "
                      "call; to replace it: " +
                      std::string(replace.option),
                  EEXIST);
  };
  refuse_if_there("doclens.npy");
  for (const char* const name : kWritten) refuse_if_there(name);
  for (const char* const name : kCompanions) refuse_if_there(name);
}

void check_folders(const fs::path& folder, const fs::path& out_folder) {
  std::error_code absent;
  if (fs::equivalent(folder, out_folder, absent))
    invalid_argument("out_folder: " + out_folder.string() + " is the input folder, expected another one");
  for (const char* const name : kCompanions)
    if (fs::exists(out_folder / name, absent) && !fs::exists(folder / name, absent))
      invalid_argument("out_folder: " + (out_folder / name).string() + " exists and belongs to other tokens (" +
                       folder.string() + " has no such file), expected no such file");
  if (const fs::path norms = out_folder / "residual_norms.npy"; fs::exists(norms, absent))
    invalid_argument("out_folder: " + norms.string() + " exists and belongs to other tokens, expected no such file");
  const auto refuse_link = [&](const char* name) {
    if (fs::is_symlink(out_folder / name, absent))
      invalid_argument("out_folder: " + (out_folder / name).string() +
                       " is a symbolic link, expected a regular file, which can be replaced");
  };
  refuse_link("doclens.npy");
  for (const char* const name : kWritten) refuse_link(name);
}

}  // namespace

std::uint64_t automatic_centroids(std::uint64_t tokens) {
  constexpr double kMax = 65536;
  const auto max = static_cast<std::uint64_t>(std::min(16 * std::sqrt(static_cast<double>(tokens)), kMax));
  return std::bit_floor(std::min(max, tokens));
}

TwoLevelSummary train_two_level(const fs::path& folder, const fs::path& out_folder, const TwoLevelChoices& choices) {
  check_folders(folder, out_folder);
  check_out_folder(out_folder, choices.replace);
  const TokenFolder collection(folder, TokenLayout::plain);
  const Plan plan(*collection.tokens(), choices);
  for (std::uint64_t i = 0; i < collection.size(); ++i)
    if (const std::uint64_t n = collection.offsets()[i + 1] - collection.offsets()[i];
        n > std::numeric_limits<std::int32_t>::max())
      invalid_argument((folder / "doclens.npy").string() + ": row " + std::to_string(i) + ": " + std::to_string(n) +
                       " tokens, expected at most 2147483647");
  const OutFolder out(out_folder);
  TwoLevelFiles files(out, plan, collection.offsets(), choices.replace);
  for (const char* const name : kCompanions)
    if (std::error_code absent; fs::exists(folder / name, absent)) files.copy(folder / name);
  const auto reader = [&](std::string_view stage) {
    return TokenReader(collection, plan, choices.num_threads, choices.progress, stage);
  };
  const TwoLevelModel model = [&] {
    TokenReader tokens = reader("sample");
    return TwoLevelModel(take_sample(tokens, plan), plan, choices);
  }();
  files.centroids.append(std::as_bytes(model.centroids()));
  files.pq_centroids.append(std::as_bytes(model.pq_centroids()));
  TokenReader tokens = reader("tokens");
  const TwoLevelModel::Squares squares = write_tokens(tokens, model, plan, choices.num_threads, files);
  files.publish();
  const auto share = [&](double sum) { return sum == 0 ? 0 : sum / squares.tokens; };
  return {.documents = collection.size(),
          .tokens = plan.tokens,
          .token_dim = plan.dim,
          .pq_subspaces = plan.m_pq,
          .n_centroids = plan.n_centroids,
          .samples = plan.samples,
          .centroid_error = share(squares.residuals),
          .error = share(squares.rest),
          .plain_bytes = plan.dim * element_bytes(ElementType::f16),
          .bytes = (plan.n_centroids > 65536 ? sizeof(std::uint32_t) : sizeof(std::uint16_t)) + plan.m_pq};
}

}  // namespace cassata
