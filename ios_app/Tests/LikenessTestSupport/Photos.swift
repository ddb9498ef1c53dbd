import Likeness

/// A smooth picture, always the same for a `seed`: between random corners of a coarse grid.
public func photo(seed: UInt64 = 0, width: Int = 80, height: Int = 70) throws -> Picture {
    let cells = 4
    var random = SplitMix64(state: seed)
    let corners = (0..<(cells + 1) * (cells + 1) * 3).map { _ in Double(random.next() >> 56) }

    func corner(_ x: Int, _ y: Int, _ channel: Int) -> Double {
        corners[(y * (cells + 1) + x) * 3 + channel]
    }

    func value(_ x: Double, _ y: Double, _ channel: Int) -> Double {
        let (left, top) = (Int(x), Int(y))
        let (right, below) = (x - Double(left), y - Double(top))
        let above = corner(left, top, channel) * (1 - right) + corner(left + 1, top, channel) * right
        let under = corner(left, top + 1, channel) * (1 - right) + corner(left + 1, top + 1, channel) * right
        return above * (1 - below) + under * below
    }

    var rgb: [UInt8] = []
    rgb.reserveCapacity(width * height * 3)
    for y in 0..<height {
        for x in 0..<width {
            let (column, row) = (Double(x * cells) / Double(width), Double(y * cells) / Double(height))
            for channel in 0..<3 { rgb.append(UInt8(value(column, row, channel))) }
        }
    }
    return try Picture(width: width, height: height, rgb: rgb)
}

/// Sebastiano Vigna's generator: the same on every platform, which Swift's own is not.
private struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
