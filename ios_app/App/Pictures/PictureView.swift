#if canImport(SwiftUI)
import SwiftUI

/// One picture and how it was painted; sharing, saving, painting it again, deleting it.
struct PictureView: View {
    let model: PictureViewModel
    let again: (KeptPicture) -> Void
    let done: () -> Void

    @State private var isDeleting = false

    var body: some View {
        let state = model.state
        ScrollView {
            VStack(alignment: .leading, spacing: 16) {
                FilePicture(file: model.file, side: 1024)
                    .clipShape(.rect(cornerRadius: 16))
                    .accessibilityElement()
                    .accessibilityLabel(Words.picture(state.picture?.prompt ?? ""))
                    .accessibilityAddTraits(.isImage)
                if let problem = state.problem { ProblemBanner(problem: problem, dismiss: model.dismissMessage) }
                if state.saved { NoticeBanner(text: Words.saved, dismiss: model.dismissMessage) }
                if let picture = state.picture {
                    PictureDetails(picture: picture)
                    buttons(picture, isSaving: state.saving)
                }
            }
            .padding()
        }
        .navigationBarTitleDisplayMode(.inline)
        .onChange(of: state.picture == nil, initial: true) { _, isDeleted in if isDeleted { done() } }
        .sheet(isPresented: isSharing) {
            if let file = state.sharing { ShareSheet(file: file) { Task { await model.shared() } } }
        }
        .confirmationDialog(Words.deletePicture, isPresented: $isDeleting, titleVisibility: .visible) {
            Button(Words.delete, role: .destructive) { Task { await model.delete() } }
        }
    }

    @ViewBuilder
    private func buttons(_ picture: KeptPicture, isSaving: Bool) -> some View {
        Button(Words.share, systemImage: "square.and.arrow.up") { Task { await model.share() } }
        Button(Words.saveToPhotos, systemImage: "square.and.arrow.down") { Task { await model.save() } }
            .disabled(isSaving)
        Button(Words.paintAgain, systemImage: "paintbrush") { again(picture) }
        Button(Words.delete, systemImage: "trash", role: .destructive) { isDeleting = true }
    }

    private var isSharing: Binding<Bool> {
        Binding(showing: { model.state.sharing != nil }, telling: { if !$0 { Task { await model.shared() } } })
    }
}

/// The prompt and the numbers with which a picture can be painted again.
private struct PictureDetails: View {
    let picture: KeptPicture

    var body: some View {
        Text(picture.prompt).font(.headline).textSelection(.enabled)
        VStack(alignment: .leading) {
            if !picture.subjects.isEmpty { Text(Words.with(picture.subjects)) }
            Text(Words.details(picture)).monospacedDigit().textSelection(.enabled)
            if !picture.negativePrompt.isEmpty { Text(Words.notInIt(picture.negativePrompt)) }
        }
        .font(.subheadline)
        .foregroundStyle(.secondary)
    }
}
#endif
