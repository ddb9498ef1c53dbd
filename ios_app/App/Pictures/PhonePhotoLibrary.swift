#if canImport(UIKit)
import Foundation
import Photos

/// iOS's photo library. It asks the person once, whether this app may add pictures; it can never read any.
struct PhonePhotoLibrary: PhotoLibrary {
    func add(_ file: URL) async throws {
        let status = await PHPhotoLibrary.requestAuthorization(for: .addOnly)
        guard status == .authorized || status == .limited else { throw PhotoLibraryError.notAllowed }
        try await PHPhotoLibrary.shared().performChanges {
            PHAssetCreationRequest.forAsset().addResource(with: .photo, fileURL: file, options: nil)
        }
    }
}
#endif
