import Foundation
import Likeness

/// Writes PNG files: RGB, eight bits, nothing else in them. A shared picture tells neither its prompt nor who made it.
///
/// The bytes are stored, not packed: one code for every platform the tests run on, and painted textures pack badly.
enum Png {
    private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]
    /// The most that a stored block of deflate can hold.
    private static let mostInBlock = 65_535

    static func encode(_ picture: Picture) -> Data {
        var png = Data(signature)
        // Depth, colour type 2 (RGB), and the only methods of packing, filtering and interlacing there are.
        append(
            "IHDR", bigEndian(UInt32(picture.width)) + bigEndian(UInt32(picture.height)) + [8, 2, 0, 0, 0], to: &png)
        append("IDAT", zlib(rows(picture)), to: &png)
        append("IEND", [], to: &png)
        return png
    }

    /// Each row behind a zero: it is not filtered.
    private static func rows(_ picture: Picture) -> [UInt8] {
        let stride = 3 * picture.width
        var rows: [UInt8] = []
        rows.reserveCapacity((1 + stride) * picture.height)
        for row in 0..<picture.height {
            rows.append(0)
            rows += picture.rgb[row * stride..<(row + 1) * stride]
        }
        return rows
    }

    /// RFC 1950 around stored blocks of RFC 1951.
    private static func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var packed: [UInt8] = [0x78, 0x01]
        var rest = bytes[...]
        while !rest.isEmpty {
            let block = rest.prefix(mostInBlock)
            rest = rest.dropFirst(mostInBlock)
            let length = UInt16(block.count)
            packed += [rest.isEmpty ? 1 : 0] + littleEndian(length) + littleEndian(~length)
            packed += block
        }
        return packed + bigEndian(adler32(bytes))
    }

    private static func append(_ type: String, _ content: [UInt8], to png: inout Data) {
        let checked = Array(type.utf8) + content
        png += bigEndian(UInt32(content.count)) + checked + bigEndian(crc32(checked))
    }

    private static func adler32(_ bytes: [UInt8]) -> UInt32 {
        var sum: UInt32 = 1
        var sumOfSums: UInt32 = 0
        for byte in bytes {
            sum = (sum + UInt32(byte)) % 65_521
            sumOfSums = (sumOfSums + sum) % 65_521
        }
        return sumOfSums << 16 | sum
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in crcOfByte[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ crc >> 8 }
    }

    private static let crcOfByte: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }

    private static func bigEndian(_ value: UInt32) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian, Array.init)
    }

    private static func littleEndian(_ value: UInt16) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian, Array.init)
    }
}
