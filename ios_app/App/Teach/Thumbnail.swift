#if canImport(SwiftUI)
import Likeness
import SwiftUI

/// One of the draft's photos, and the way to take it out.
struct Thumbnail: View {
    /// From 1.
    let place: Int
    let load: () async -> Picture?
    let remove: () -> Void

    @ScaledMetric private var side: CGFloat = 96
    @State private var picture: Picture?

    var body: some View {
        VStack {
            Group {
                if let picture { CorePicture(picture: picture) } else { Rectangle().fill(.quaternary) }
            }
            .frame(width: side, height: side)
            .clipShape(.rect(cornerRadius: 8))
            .accessibilityElement()
            .accessibilityLabel(Words.photo(place))
            .accessibilityAddTraits(.isImage)
            Button(Words.remove, role: .destructive, action: remove)
                .buttonStyle(.borderless)
                .accessibilityLabel(Words.removePhoto(place))
        }
        .task { picture = await load() }
    }
}
#endif
