// Fixed parts of an index file: header, alignments, feature bits. docs/format.md describes the whole format.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace cassata {

static_assert(std::endian::native == std::endian::little, "index files are little-endian and searched where they lie");

/// First byte outside ASCII, so that no text file matches; CR LF at the end, so that a transfer in text mode breaks it.
inline constexpr std::array<char, 8> kMagic = {'\x89', 'C', 'A', 'S', 'S', 'A', '\r', '\n'};
inline constexpr std::uint16_t kFormatMajor = 1;  ///< a reader refuses any other
inline constexpr std::uint16_t kFormatMinor = 0;  ///< a reader ignores it
inline constexpr std::uint32_t kByteOrderMark = 0x01020304;

inline constexpr std::uint64_t kHeaderBytes = 4096;
inline constexpr std::uint64_t kSectionAlignBytes = 4096;
/// Hot sections of at least this size are mapped with huge pages, if the system has them.
inline constexpr std::uint64_t kHugePageBytes = std::uint64_t{2} << 20;
/// Hot sections whose expected size is at least this start at a huge page. For smaller sections the padding before them
/// would cost more than the small pages of their first bytes.
inline constexpr std::uint64_t kHugeAlignedBytes = 32 * kHugePageBytes;
inline constexpr std::uint64_t kHashBlockBytes = std::uint64_t{64} << 10;
/// Limits the time to open a file, which checks and copies the manifest.
inline constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{16} << 20;

/// Feature bits. A reader refuses a file with an unknown incompatible bit and ignores unknown compatible ones.
/// The graph has duplicates: rows that are not nodes (engine/graph/duplicates.h).
inline constexpr std::uint64_t kDuplicatesFeature = 1;
inline constexpr std::uint64_t kKnownIncompatibleFeatures = kDuplicatesFeature;

/// Page 0, written last. header_hash covers every byte before it, reserved bytes included.
struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint16_t format_major = kFormatMajor;
  std::uint16_t format_minor = kFormatMinor;
  std::uint32_t byte_order_mark = kByteOrderMark;
  std::uint64_t file_length = 0;
  std::uint64_t manifest_offset = 0;
  std::uint64_t manifest_length = 0;
  std::uint64_t manifest_hash = 0;
  std::uint64_t incompatible_features = 0;
  std::uint64_t compatible_features = 0;
  std::array<std::uint8_t, 16> uuid = {};
  std::array<std::uint8_t, 4008> reserved = {};
  std::uint64_t header_hash = 0;
};
static_assert(sizeof(Header) == kHeaderBytes && std::is_trivially_copyable_v<Header>);
static_assert(offsetof(Header, file_length) == 16 && offsetof(Header, incompatible_features) == 48);
static_assert(offsetof(Header, uuid) == 64 && offsetof(Header, header_hash) == 4088);

}  // namespace cassata
