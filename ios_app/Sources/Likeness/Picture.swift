/// A picture in memory.
public struct Picture: Sendable, Equatable {
    /// In pixels.
    public let width: Int
    /// In pixels.
    public let height: Int
    /// Three bytes a pixel, row after row without padding: width × height × 3 of them.
    public let rgb: [UInt8]

    /// - Throws: ``LikenessError/invalidArgument(_:)`` where the bytes do not fit the size, or there are none
    public init(width: Int, height: Int, rgb: [UInt8]) throws {
        guard (1...Self.longestSide).contains(width), (1...Self.longestSide).contains(height) else {
            throw LikenessError.invalidArgument("a picture of \(width) x \(height) pixels is empty or too large")
        }
        let bytes = Self.bytesPerPixel * width * height
        guard rgb.count == bytes else {
            throw LikenessError.invalidArgument(
                "a picture of \(width) x \(height) pixels has \(bytes) bytes, not \(rgb.count)")
        }
        self.width = width
        self.height = height
        self.rgb = rgb
    }

    /// A picture that the core has made.
    init(side: Int, rgb: UnsafeRawBufferPointer) {
        precondition(rgb.count == Self.bytesPerPixel * side * side, "the core's pictures are square")
        width = side
        height = side
        self.rgb = [UInt8](rgb)
    }

    static let bytesPerPixel = 3
    /// The core counts pixels of a side in 32 bits.
    private static let longestSide = Int(Int32.max)
}
