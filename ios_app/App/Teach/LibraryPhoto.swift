#if canImport(SwiftUI)
import CoreGraphics
import ImageIO
import Likeness
import PhotosUI
import SwiftUI

/// A photo as the system's picker gives it: this one, without any permission for the library.
struct LibraryPhoto: PickedPhoto {
    /// Twice what the largest common model paints.
    private static let mostSide = 1024

    let item: PhotosPickerItem

    func picture() async throws -> Picture {
        guard let bytes = try await item.loadTransferable(type: Data.self) else { throw Self.unreadable }
        return try await offMain { try Self.picture(bytes) }
    }

    private static var unreadable: LikenessError {
        .badPhoto("This is no photo, or one of a format that this phone cannot read.")
    }

    /// Of any format that iOS reads; the whole is never decoded at full size.
    private static func picture(_ bytes: Data) throws -> Picture {
        guard let source = CGImageSourceCreateWithData(bytes as CFData, nil),
            let size = CGImageSourceCopyPropertiesAtIndex(source, 0, nil) as? [CFString: Any],
            let width = size[kCGImagePropertyPixelWidth] as? Int,
            let height = size[kCGImagePropertyPixelHeight] as? Int, width > 0, height > 0
        else { throw unreadable }
        // The option is about the longer side; the shorter one is to have `mostSide` pixels, where there are so many.
        let longer = max(width, height) * mostSide / min(width, height)
        let options: [CFString: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways: true,
            kCGImageSourceCreateThumbnailWithTransform: true,
            kCGImageSourceThumbnailMaxPixelSize: min(max(width, height), longer),
        ]
        guard let image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary) else {
            throw unreadable
        }
        return try centreSquare(image)
    }

    private static func centreSquare(_ image: CGImage) throws -> Picture {
        let side = min(image.width, image.height)
        let left = (image.width - side) / 2
        let top = (image.height - side) / 2
        var pixels = [UInt8](repeating: 255, count: 4 * side * side)
        let isDrawn = pixels.withUnsafeMutableBytes { buffer -> Bool in
            guard
                let context = CGContext(
                    data: buffer.baseAddress, width: side, height: side, bitsPerComponent: 8, bytesPerRow: 4 * side,
                    space: CGColorSpace(name: CGColorSpace.sRGB) ?? CGColorSpaceCreateDeviceRGB(),
                    bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue),
                let square = image.cropping(to: CGRect(x: left, y: top, width: side, height: side))
            else { return false }
            context.draw(square, in: CGRect(x: 0, y: 0, width: side, height: side))
            return true
        }
        guard isDrawn else { throw LikenessError.outOfMemory("There is no memory for the photo.") }
        return try Picture(width: side, height: side, rgb: rgb(pixels))
    }

    /// Without the fourth byte of each pixel.
    private static func rgb(_ rgbx: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: rgbx.count / 4 * 3) { rgb, count in
            for pixel in 0..<rgbx.count / 4 {
                for colour in 0..<3 { rgb[3 * pixel + colour] = rgbx[4 * pixel + colour] }
            }
            count = rgbx.count / 4 * 3
        }
    }
}
#endif
