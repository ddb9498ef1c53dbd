import Foundation
import Likeness

/// Reads the PNG files that stored, unfiltered rows make; written against the standard, checking every sum.
enum PngReader {
    struct Malformed: Error {}

    struct Chunk {
        let type: String
        let content: [UInt8]
    }

    static func read(_ png: Data) throws -> Picture {
        let chunks = try chunks(png)
        guard let header = chunks.first, header.type == "IHDR", header.content.count == 13,
            header.content[8...] == [8, 2, 0, 0, 0], chunks.last?.type == "IEND"
        else { throw Malformed() }
        let width = Int(number(header.content[0..<4]))
        let height = Int(number(header.content[4..<8]))
        let rows = try inflated(chunks.filter { $0.type == "IDAT" }.flatMap(\.content))
        guard rows.count == (1 + 3 * width) * height else { throw Malformed() }
        let rgb = try stride(from: 0, to: rows.count, by: 1 + 3 * width).flatMap { start -> ArraySlice<UInt8> in
            guard rows[start] == 0 else { throw Malformed() }
            return rows[start + 1..<start + 1 + 3 * width]
        }
        return try Picture(width: width, height: height, rgb: rgb)
    }

    static func chunks(_ png: Data) throws -> [Chunk] {
        var rest = [UInt8](png)[...]
        guard Array(rest.prefix(8)) == [137, 80, 78, 71, 13, 10, 26, 10] else { throw Malformed() }
        rest = rest.dropFirst(8)
        var chunks: [Chunk] = []
        while !rest.isEmpty {
            guard rest.count >= 12 else { throw Malformed() }
            let length = Int(number(rest.prefix(4)))
            guard rest.count >= 12 + length else { throw Malformed() }
            let checked = rest.dropFirst(4).prefix(4 + length)
            guard number(rest.dropFirst(8 + length).prefix(4)) == crc(checked) else { throw Malformed() }
            chunks.append(
                Chunk(type: String(decoding: checked.prefix(4), as: UTF8.self), content: Array(checked.dropFirst(4))))
            rest = rest.dropFirst(12 + length)
        }
        return chunks
    }

    private static func inflated(_ zlib: [UInt8]) throws -> [UInt8] {
        guard zlib.count > 6, zlib[0] & 15 == 8, (Int(zlib[0]) << 8 + Int(zlib[1])) % 31 == 0 else { throw Malformed() }
        var bytes: [UInt8] = []
        var rest = zlib.dropFirst(2)
        var isLast = false
        while !isLast {
            guard rest.count >= 5, let first = rest.first, first <= 1 else { throw Malformed() }
            isLast = first == 1
            let head = Array(rest.prefix(5))
            let length = Int(head[1]) | Int(head[2]) << 8
            guard length ^ 0xFFFF == Int(head[3]) | Int(head[4]) << 8, rest.count >= 5 + length else {
                throw Malformed()
            }
            bytes += rest.dropFirst(5).prefix(length)
            rest = rest.dropFirst(5 + length)
        }
        let sum = bytes.reduce((UInt32(1), UInt32(0))) { sums, byte in
            let one = (sums.0 + UInt32(byte)) % 65521
            return (one, (sums.1 + one) % 65521)
        }
        guard rest.count == 4, number(rest) == sum.1 << 16 | sum.0 else { throw Malformed() }
        return bytes
    }

    /// The polynomial's division, bit by bit.
    private static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        var remainder: UInt32 = .max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 { remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0xEDB8_8320 : remainder >> 1 }
        }
        return ~remainder
    }

    private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        bytes.reduce(0) { $0 << 8 | UInt32($1) }
    }
}
