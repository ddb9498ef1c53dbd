package app.likeness.teach

import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.ArrayAdapter
import android.widget.AutoCompleteTextView
import android.widget.EditText
import android.widget.ImageView
import android.widget.TextView
import app.likeness.R
import app.likeness.navigation.Host
import app.likeness.navigation.Route
import app.likeness.navigation.Screen
import app.likeness.platform.Bitmaps
import app.likeness.platform.Pickers
import app.likeness.views.child
import app.likeness.views.follow
import app.likeness.views.onChange
import app.likeness.views.showText
import app.likeness.views.text
import kotlinx.coroutines.launch

/** Photos, name, class, what it takes, and one tap to start. */
class TeachScreen(host: Host, parent: ViewGroup, private val model: TeachViewModel) :
    Screen(host, R.layout.screen_teach, parent) {
    override val title = string(R.string.teach_title)
    private val photos = find<ViewGroup>(R.id.photos)
    private var shownClasses = emptyList<String>()

    init {
        onClick(R.id.pick) { ask(Pickers.photos(TeachUiState.MAX_PHOTOS - model.state.value.photos.size), PHOTOS) }
        onClick(R.id.start, model::start)
        onClick(R.id.problem, model::dismissProblem)
        onClick(R.id.discard, ::confirmDiscard)
        host.scope.launch {
            model.state.collect { state ->
                if (state.loaded) render(state)
            }
        }
        find<EditText>(R.id.name).onChange { if (it != model.state.value.name) model.setName(it) }
        find<EditText>(R.id.class_name).onChange { if (it != model.state.value.className) model.setClassName(it) }
    }

    override fun onChosen(request: Int, documents: List<String>) = model.addPhotos(documents)

    private fun render(state: TeachUiState) {
        state.startedId?.let { return host.go(Route.Training(it)) }
        if (state.discarded) return host.back()
        find<TextView>(R.id.problem).showText(problemOf(state))
        find<TextView>(R.id.photo_count).showText(countOf(state))
        find<TextView>(R.id.forecast).showText(host.activity.text(state.forecast))
        find<EditText>(R.id.name).follow(state.name)
        find<EditText>(R.id.class_name).follow(state.className)
        find<View>(R.id.pick).isEnabled = state.canAdd
        find<View>(R.id.start).isEnabled = state.canStart
        renderPhotos(state.photos)
        renderClasses(state.classes)
    }

    private fun problemOf(state: TeachUiState): String? {
        val problem = state.problem?.let(host.activity::text)
        val refused = if (state.refused > 0) plural(R.plurals.teach_refused, state.refused) else null
        return listOfNotNull(refused, problem).joinToString("\n").ifEmpty { null }
    }

    private fun countOf(state: TeachUiState): String = when {
        state.adding != null ->
            string(R.string.teach_adding, (state.adding.done + 1).coerceAtMost(state.adding.total), state.adding.total)

        state.photos.isEmpty() -> string(R.string.teach_no_photos)

        else -> plural(R.plurals.teach_photos, state.photos.size)
    }

    private fun renderPhotos(numbers: List<Int>) {
        val shown = (0 until photos.childCount).map { photos.getChildAt(it) }
        shown.filter { it.tag !in numbers }.forEach(photos::removeView)
        numbers.filter { number -> shown.none { it.tag == number } }.forEach(::addThumbnail)
        numbers.forEachIndexed { index, number -> describe(photos.findViewWithTag(number), index + 1) }
    }

    private fun addThumbnail(number: Int) {
        val thumbnail = LayoutInflater.from(host.activity).inflate(R.layout.photo_thumbnail, photos, false)
        thumbnail.tag = number
        thumbnail.child<View>(R.id.remove).setOnClickListener { model.removePhoto(number) }
        photos.addView(thumbnail)
        host.scope.launch {
            val photo = model.photo(number) ?: return@launch
            thumbnail.child<ImageView>(R.id.photo).setImageBitmap(Bitmaps.of(photo))
        }
    }

    private fun describe(thumbnail: View, place: Int) {
        thumbnail.child<View>(R.id.photo).contentDescription = string(R.string.teach_photo_description, place)
        thumbnail.child<View>(R.id.remove).contentDescription = string(R.string.teach_remove_description, place)
    }

    private fun renderClasses(classes: List<String>) {
        if (classes == shownClasses) return
        shownClasses = classes
        val suggestions = ArrayAdapter(host.activity, android.R.layout.simple_dropdown_item_1line, classes)
        find<AutoCompleteTextView>(R.id.class_name).setAdapter(suggestions)
    }

    private fun confirmDiscard() {
        if (model.state.value.photos.isEmpty()) return model.discard()
        confirm(string(R.string.teach_discard_title), null, string(R.string.teach_discard), model::discard)
    }

    private companion object {
        const val PHOTOS = 1
    }
}
