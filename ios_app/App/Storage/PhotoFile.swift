import Foundation
import Likeness

/// Photos wait for training as plain RGB (netpbm's P6): nothing to decode, and the same bytes after a kill. Functions
/// block and throw ``StorageError``.
enum PhotoFile {
    private static let longestSide = 8192
    /// The longest header that ``write(_:to:on:)`` makes: "P6\n8192 8192\n255\n".
    private static let mostHeader = 17

    static func write(_ photo: Picture, to file: URL, on disk: Disk) throws {
        try disk.write(file) { sink in
            try sink.write(Data("P6\n\(photo.width) \(photo.height)\n255\n".utf8))
            try sink.write(Data(photo.rgb))
        }
    }

    static func read(_ file: URL) throws -> Picture {
        let damaged = StorageError.failed(
            "The stored photo \(file.lastPathComponent) is damaged; choose it again.")
        guard let bytes = try? Data(contentsOf: file, options: .mappedIfSafe) else { throw damaged }
        let words = bytes.prefix(mostHeader).split(maxSplits: 4, omittingEmptySubsequences: false) {
            $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n")
        }
        guard words.count == 5, words[0].elementsEqual("P6".utf8), words[3].elementsEqual("255".utf8),
            let width = side(words[1]), let height = side(words[2])
        else { throw damaged }
        let rgb = [UInt8](bytes[words[4].startIndex...].prefix(3 * width * height))
        guard rgb.count == 3 * width * height else { throw damaged }
        return try Picture(width: width, height: height, rgb: rgb)
    }

    private static func side(_ word: Data) -> Int? {
        guard let side = Int(String(decoding: word, as: UTF8.self)), (1...longestSide).contains(side) else {
            return nil
        }
        return side
    }
}
