#if canImport(SwiftUI)
import SwiftUI
import UIKit

/// iOS's own sheet to hand a file to another app, another phone or a folder.
struct ShareSheet: UIViewControllerRepresentable {
    let file: URL
    /// Handed over, or not.
    let done: () -> Void

    func makeUIViewController(context: Context) -> UIActivityViewController {
        let sheet = UIActivityViewController(activityItems: [file], applicationActivities: nil)
        sheet.completionWithItemsHandler = { _, _, _, _ in done() }
        return sheet
    }

    func updateUIViewController(_ sheet: UIActivityViewController, context: Context) {}
}
#endif
