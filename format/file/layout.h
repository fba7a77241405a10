// The bytes of an index file that stand at fixed places. docs/format.md tells the whole of it.
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
inline constexpr std::uint64_t kHugePageBytes =
    std::uint64_t{2} << 20;  ///< hot sections as large are mapped by such pages, if the system has them
/// Hot sections that are announced to be as large start at a multiple of a huge page. For smaller ones the zeros before
/// them cost more than their first bytes' small pages do.
inline constexpr std::uint64_t kHugeAlignedBytes = 32 * kHugePageBytes;
inline constexpr std::uint64_t kHashBlockBytes = std::uint64_t{64} << 10;
inline constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{16}
                                                   << 20;  ///< it is checked and copied whenever a file is opened

/// Feature bits. A reader refuses a file with an unknown incompatible bit and ignores unknown compatible ones.
inline constexpr std::uint64_t kDuplicatesFeature =
    1;  ///< a graph with rows that are not nodes of it (engine/graph/duplicates.h)
inline constexpr std::uint64_t kKnownIncompatibleFeatures = kDuplicatesFeature;
inline constexpr std::uint64_t kKnownCompatibleFeatures = 0;

/// Page 0, written last. Its hash covers every byte of the page before it, the reserved ones too.
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
