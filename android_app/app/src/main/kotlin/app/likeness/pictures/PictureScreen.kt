package app.likeness.pictures

import android.content.ClipData
import android.content.Intent
import android.net.Uri
import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.TextView
import app.likeness.R
import app.likeness.navigation.Host
import app.likeness.navigation.Screen
import app.likeness.platform.ContentDocuments
import app.likeness.platform.Pickers
import app.likeness.storage.KeptPicture
import app.likeness.views.PictureLoader
import app.likeness.views.show
import app.likeness.views.showText
import app.likeness.views.text
import kotlinx.coroutines.launch

/** One picture and how it was painted; sharing, saving, painting it again, deleting it. */
class PictureScreen(
    host: Host,
    parent: ViewGroup,
    private val model: PictureViewModel,
    private val paintAgain: (KeptPicture) -> Unit,
) : Screen(host, R.layout.screen_picture, parent) {
    override val title get() = string(R.string.picture_description, model.state.value.picture?.prompt.orEmpty())

    init {
        onClick(R.id.share, ::share)
        onClick(R.id.save, ::save)
        onClick(R.id.again) { model.state.value.picture?.let(paintAgain) }
        onClick(R.id.delete) {
            confirm(string(R.string.picture_delete_title), null, string(R.string.delete), model::delete)
        }
        onClick(R.id.problem, model::dismissMessage)
        onClick(R.id.notice, model::dismissMessage)
        PictureLoader(host.scope, host.io, host.activity.resources.displayMetrics.widthPixels)
            .show(model.file, find(R.id.picture))
        host.scope.launch { model.state.collect(::render) }
    }

    override fun onChosen(request: Int, documents: List<String>) {
        documents.firstOrNull()?.let(model::saveTo)
    }

    private fun render(state: PictureUiState) {
        val picture = state.picture ?: return host.back()
        find<ImageView>(R.id.picture).contentDescription = title
        find<TextView>(R.id.prompt).showText(picture.prompt)
        find<TextView>(R.id.details).showText(details(picture))
        find<TextView>(R.id.problem).showText(state.problem?.let(host.activity::text))
        find<View>(R.id.notice).show(state.saved)
        find<View>(R.id.save).isEnabled = !state.saving
    }

    private fun details(picture: KeptPicture): String {
        val numbers =
            string(R.string.picture_details, picture.seed, picture.index + 1, picture.steps, picture.guidance)
        val negative = picture.negativePrompt.ifEmpty { null }?.let { string(R.string.picture_negative, it) }
        val subjects = picture.subjects.ifEmpty {
            null
        }?.let { string(R.string.picture_subjects, it.joinToString(", ")) }
        return listOfNotNull(subjects, numbers, negative).joinToString("\n")
    }

    private fun save() =
        if (ContentDocuments.canAddToGallery) model.saveToGallery() else ask(Pickers.newFile(model.fileName, PNG), SAVE)

    private fun share() {
        val id = model.state.value.picture?.id ?: return
        val uri: Uri = SharedPictureProvider.uriOf(id)
        val send = Intent(Intent.ACTION_SEND).setType(PNG).putExtra(Intent.EXTRA_STREAM, uri)
            .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION)
        send.clipData = ClipData.newRawUri(null, uri)
        attempt { host.activity.startActivity(Intent.createChooser(send, null)) }
    }

    private companion object {
        const val PNG = "image/png"
        const val SAVE = 1
    }
}
