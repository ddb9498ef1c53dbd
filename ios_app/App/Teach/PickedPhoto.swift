import Likeness

/// A photo that a person picked.
protocol PickedPhoto: Sendable {
    /// Upright, and no larger than training has use for. Throws ``LikenessError/badPhoto(_:)`` where it is no photo
    /// that can be read, or what kept it from coming.
    func picture() async throws -> Picture
}
