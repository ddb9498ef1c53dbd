#if canImport(SwiftUI)
import Likeness
import SwiftUI
import UIKit

/// A picture of the core's, as large as there is room for. Whoever shows it says what it is.
struct CorePicture: View {
    let picture: Picture

    var body: some View {
        if let image = Self.image(picture) {
            Image(decorative: image, scale: 1)
                .resizable()
                .scaledToFit()
        }
    }

    private static func image(_ picture: Picture) -> CGImage? {
        guard let bytes = CGDataProvider(data: Data(picture.rgb) as CFData),
            let space = CGColorSpace(name: CGColorSpace.sRGB)
        else { return nil }
        return CGImage(
            width: picture.width, height: picture.height, bitsPerComponent: 8, bitsPerPixel: 24,
            bytesPerRow: 3 * picture.width, space: space, bitmapInfo: CGBitmapInfo(rawValue: 0), provider: bytes,
            decode: nil, shouldInterpolate: true, intent: .defaultIntent)
    }
}

/// The picture in a file, read when it shows; grey until then, and where there is none.
struct FilePicture: View {
    let file: URL
    /// Points of the longer side at which it will show.
    let side: CGFloat
    /// Differs where the file was replaced.
    var version = 0

    @Environment(\.displayScale) private var scale
    @State private var image: UIImage?

    var body: some View {
        Rectangle()
            .fill(.quaternary)
            .aspectRatio(1, contentMode: .fit)
            .overlay {
                if let image {
                    Image(uiImage: image)
                        .resizable()
                        .scaledToFill()
                }
            }
            .clipped()
            .task(id: Key(file: file, version: version)) { image = await read() }
    }

    private func read() async -> UIImage? {
        let (file, side) = (file, side * scale)
        return await offMain {
            UIImage(contentsOfFile: file.path)?.preparingThumbnail(of: CGSize(width: side, height: side))
        }
    }

    private struct Key: Equatable {
        let file: URL
        let version: Int
    }
}
#endif
