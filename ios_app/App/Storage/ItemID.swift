/// Names the files of a subject or of a picture: sixteen hexadecimal digits, drawn at random. No text that a person or
/// a file gives ever names a file.
struct ItemID: Sendable, Hashable {
    let text: String

    /// A new one.
    init() {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        text = String(repeating: "0", count: Self.length - digits.count) + digits
    }

    /// nil where `text` is none.
    init?(_ text: String) {
        let isHex = text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
        guard text.utf8.count == Self.length, isHex else { return nil }
        self.text = text
    }

    private static let length = 16
}
