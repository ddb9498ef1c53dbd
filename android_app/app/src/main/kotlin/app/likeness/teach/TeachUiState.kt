package app.likeness.teach

import app.likeness.problem.Problem

/**
 * @property photos numbers of the draft's photos
 * @property adding how many of how many picked photos were looked at; null: none is being added
 * @property refused how many of the photos that were picked last could not be used; [problem] says why the last could
 *   not
 * @property classes what the model knows best
 * @property startedId the draft became this subject; the screen is done
 * @property discarded the draft and its photos are deleted; the screen is done
 */
data class TeachUiState(
    val loaded: Boolean = false,
    val name: String = "",
    val className: String = "",
    val photos: List<Int> = emptyList(),
    val adding: Adding? = null,
    val refused: Int = 0,
    val classes: List<String> = emptyList(),
    val forecast: ForecastState = ForecastState.NothingToPlan,
    val starting: Boolean = false,
    val startedId: String? = null,
    val discarded: Boolean = false,
    val problem: Problem? = null,
) {
    val canAdd: Boolean get() = loaded && adding == null && !starting && photos.size < MAX_PHOTOS

    val canStart: Boolean
        get() = adding == null && !starting && startedId == null && photos.isNotEmpty() &&
            name.isNotBlank() && className.isNotBlank() && forecast is ForecastState.Known

    companion object {
        const val MAX_PHOTOS = 20
    }
}

data class Adding(val done: Int, val total: Int)

sealed interface ForecastState {
    /** Photos or the class are missing. */
    data object NothingToPlan : ForecastState

    data object Computing : ForecastState

    data class Known(val forecast: Forecast) : ForecastState

    data class Failed(val problem: Problem) : ForecastState
}
