#if canImport(SwiftUI)
import SwiftUI

/// All kept pictures in a grid.
struct PicturesView: View {
    let model: PicturesViewModel
    let show: (ItemID) -> Void

    @ScaledMetric private var side: CGFloat = 112

    var body: some View {
        let pictures = model.state.pictures
        ScrollView {
            LazyVGrid(columns: [GridItem(.adaptive(minimum: side), spacing: 4)], spacing: 4) {
                ForEach(pictures) { picture in
                    Button {
                        show(picture.id)
                    } label: {
                        FilePicture(file: model.file(picture.id), side: side)
                    }
                    .buttonStyle(.plain)
                    .accessibilityLabel(Words.picture(picture.prompt))
                    .accessibilityAddTraits(.isImage)
                }
            }
            .padding(4)
        }
        .overlay {
            if pictures.isEmpty {
                ContentUnavailableView(Words.picturesEmpty, systemImage: "photo.on.rectangle")
            }
        }
        .navigationTitle(Words.picturesTitle)
    }
}
#endif
